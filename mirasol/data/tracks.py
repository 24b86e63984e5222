"""The frames of one stream by presentation time, from any moment on.

Times are seconds on the file's own clock, on which the file begins at 0: a file whose streams begin
later (a transport stream, a cut without re-encoding) is shifted so.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import av
import numpy as np
from av.container import InputContainer
from av.stream import Stream

from mirasol.data.containers import MediaError

# Sampling times come from arithmetic in seconds: a frame counts as shown this much before its time.
_TOLERANCE_S = 1e-4
# A seek costs more than decoding this much.
_SEEK_FROM_S = 0.2
# An index that knows nothing for so long before a moment is not of this stream.
_INDEXED_S = 10.0
# Where a seek ends up too late, these are tried, and then the beginning.
_FURTHER_BACK_S = (0.0, 1.0, 10.0, 60.0)
# Of what a file says it has, so much may be missing at the end: lengths are rounded and padded.
_MISSING_S = 0.1


_FRAME_A_PACKET = ("h264", "hevc")
# A single one may be half of an interlaced picture.
_LOST = 2


class TimedFrame(NamedTuple):
    """A decoded frame.

    Attributes:
      time_s: when it is shown or heard.
      frame: `av.VideoFrame` or `av.AudioFrame`.
      damaged: the decoder made up parts of it, or of one since the last key frame.
      lost_s: when the first of the frames should have been shown that were read, and of which the
        decoder made nothing, between the one before and this one; None: there are none.
    """

    time_s: float
    frame: Any
    damaged: bool
    lost_s: float | None


class Track:
    """One stream of an open file.

    Args:
      path: of the file, for errors.
      container: the file.
      stream: one of its streams.

    Raises, as all methods do:
      MediaError: the stream is broken; errors of FFmpeg pass through.
    """

    def __init__(self, path: str, container: InputContainer, stream: Stream) -> None:
        self._path, self._container, self._stream = path, container, stream
        if not stream.time_base:
            raise MediaError(path, f"its {stream.type} stream has no clock")
        self._tick_s = float(stream.time_base)
        # Below 0 lies only what an encoder put before the beginning, never what is shown.
        self._zero_s = max(0.0, (container.start_time or 0) / av.time_base)
        self._own_end_s = self._stated_end_s()

    @property
    def end_s(self) -> float:
        """Where the stream ends, as the file says; 0 if it does not say."""
        if self._own_end_s is not None:
            return self._own_end_s
        return (self._container.duration or 0) / av.time_base

    @property
    def codec(self) -> Any:
        """The decoder's context."""
        if self._stream.codec_context is None:
            raise MediaError(self._path, f"there is no decoder for its {self._stream.type} stream")
        return self._stream.codec_context

    def frames(self, start_s: float, lead_s: float = 0.0) -> Iterator[TimedFrame]:
        """Yields frames in order of presentation, from at or before `start_s`.

        Args:
          start_s: from here on frames are wanted.
          lead_s: the first frame is, where there is one, at least so much earlier.
        """
        for back_s in _FURTHER_BACK_S:
            wanted_s = start_s - lead_s - back_s
            if wanted_s <= _SEEK_FROM_S or not self._seek(wanted_s):
                break
            frames = self._timed()
            head = next(frames, None)
            if head is not None and head.time_s <= start_s + _TOLERANCE_S:
                yield head
                yield from frames
                return
        self._container.seek(0)
        yield from self._timed()

    def shown(self, times_s: Sequence[float] | np.ndarray) -> Iterator[tuple[slice, Any]]:
        """Yields (which of the times, frame on screen then): the latest frame of each moment.

        Before the first frame, that one is shown; beyond the stated end, the last one. Where a key
        frame lies between two of the times, what is before it is not decoded.

        Args:
          times_s: ascending.

        Raises:
          MediaError: there is no frame, one that is shown is damaged, or the stream breaks off.
        """
        frames, done, sought = self.frames(times_s[0]), 0, 0
        on_screen: TimedFrame | None = None
        while done < len(times_s) and (timed := next(frames, None)) is not None:
            first, done = done, bisect_left(times_s, timed.time_s - _TOLERANCE_S, done)
            if done > first:
                self._require_none_lost(timed, times_s[done - 1])
                yield slice(first, done), self.require_whole(on_screen or timed)
            on_screen = timed
            if sought < done < len(times_s) and self._key_between(timed, times_s[done]):
                frames, sought, on_screen = self.frames(times_s[done]), done, None
        if on_screen is None:
            raise MediaError(self._path, f"no picture could be decoded at {times_s[done]:g} s")
        if done < len(times_s):
            self.require_reached(on_screen, times_s[-1])
            yield slice(done, len(times_s)), self.require_whole(on_screen)

    def require_whole(self, timed: TimedFrame) -> Any:
        """Returns the frame; MediaError if it is damaged."""
        if timed.damaged:
            raise MediaError(
                self._path, f"its {self._stream.type} stream is damaged at {timed.time_s:g} s"
            )
        return timed.frame

    def _require_none_lost(self, after: TimedFrame, time_s: float) -> None:
        if after.lost_s is not None and time_s >= after.lost_s - _TOLERANCE_S:
            raise MediaError(
                self._path,
                f"its {self._stream.type} stream is damaged from {after.lost_s:g} s to "
                f"{after.time_s:g} s, where nothing can be decoded",
            )

    def require_reached(self, last: TimedFrame | None, wanted_s: float) -> None:
        """Raises MediaError if the stream breaks off before a moment at which it should go on.

        Args:
          last: the stream's last frame; None: it has none.
          wanted_s: the last moment that was asked for.
        """
        length_s = 0.0 if last is None else self._length_s(last.frame)
        reached_s = 0.0 if last is None else last.time_s + length_s
        missing_s = min(wanted_s, self.end_s) - reached_s
        if missing_s <= _MISSING_S + length_s:
            return
        if self._own_end_s is not None or self._cut_off():
            raise MediaError(
                self._path,
                f"its {self._stream.type} stream breaks off at {reached_s:g} s of {self.end_s:g} s",
            )

    def _seek(self, time_s: float) -> bool:
        """Returns False where the file cannot be sought in."""
        at_s = time_s + self._zero_s
        key_s = self._key_before(at_s)
        try:
            if key_s is None or at_s - key_s > _INDEXED_S:
                # Matroska's index is of the pictures; by its own, sound would be read from 0 on.
                self._container.seek(int(at_s * av.time_base))
            else:
                self._container.seek(int(at_s / self._tick_s), stream=self._stream)
        except av.FFmpegError:
            return False
        return True

    def _timed(self) -> Iterator[TimedFrame]:
        damaged, zero_s, lost = False, self._zero_s, _Losses(self.codec.name)
        before_s, latest_s = -math.inf, (self.end_s or math.inf) + _MISSING_S
        for packet in self._container.demux(self._stream):
            lost.read(packet.pts)
            frames: list[Any] = packet.decode()
            for frame in frames:
                time_s = self._time_s(frame, before_s, latest_s)
                before_s = time_s
                damaged = frame.is_corrupt or (damaged and not frame.key_frame)
                lost_pts = lost.before(frame.pts)
                lost_s = None if lost_pts is None else lost_pts * self._tick_s - zero_s
                yield TimedFrame(time_s, frame, damaged, lost_s)

    def _time_s(self, frame: Any, before_s: float, latest_s: float) -> float:
        """Returns when a frame is shown; MediaError if that cannot be."""
        if frame.time is None:
            raise MediaError(self._path, "its frames carry no presentation times")
        time_s = frame.time - self._zero_s
        if not before_s - _TOLERANCE_S <= time_s <= latest_s:
            raise MediaError(
                self._path,
                f"its {self._stream.type} stream is damaged: a frame of {time_s:g} s follows that "
                f"of {before_s:g} s, and the end is at {self.end_s:g} s",
            )
        return time_s

    def _key_between(self, shown: TimedFrame, time_s: float) -> bool:
        """Whether the file's index has a key frame that is worth a seek on the way to a moment."""
        if time_s - shown.time_s <= _SEEK_FROM_S:
            return False
        key_s = self._key_before(time_s + self._zero_s)
        return key_s is not None and key_s - self._zero_s > shown.time_s + _SEEK_FROM_S

    def _key_before(self, at_s: float) -> float | None:
        """Returns the stamp of the last key frame that is known before a stamp, s."""
        index = self._stream.index_entries
        entry = index.search_timestamp(int(at_s / self._tick_s))
        return None if entry < 0 else index[entry].timestamp * self._tick_s

    def _length_s(self, frame: Any) -> float:
        if frame.duration:
            return float(frame.duration * frame.time_base)
        rate = getattr(self._stream, "average_rate", None)
        return float(1 / rate) if rate else 0.0

    def _stated_end_s(self) -> float | None:
        """Returns the end that the file states for this very stream; None if it states none."""
        stream = self._stream
        if stream.duration:
            start = (stream.start_time or 0) + stream.duration
            return start * self._tick_s - self._zero_s
        # Matroska keeps one length for all, and FFmpeg's own files a tag for each stream.
        parts = stream.metadata.get("DURATION", "").split(":")
        try:
            hours, minutes, seconds = (float(part) for part in parts)
        except ValueError:
            return None
        return 3600 * hours + 60 * minutes + seconds - self._zero_s

    def _cut_off(self) -> bool:
        """Whether the file as a whole breaks off, and not only this stream ends before another."""
        end_s = self.end_s - _MISSING_S
        if not self._seek(max(0.0, end_s - 1)):
            self._container.seek(0)
        ends_s = (
            (packet.pts + (packet.duration or 0)) * float(packet.time_base) - self._zero_s
            for packet in self._container.demux()
            if packet.pts is not None
        )
        return not any(each >= end_s for each in ends_s)


class _Losses:
    """Finds packets of which no frame was made: FFmpeg leaves frames out that it cannot decode.

    Args:
      codec: name of the decoder. Only where each packet is a frame can anything be said.
    """

    def __init__(self, codec: str) -> None:
        self._counted = codec in _FRAME_A_PACKET
        self._awaited: set[int] = set()
        self._begun = False

    def read(self, pts: int | None) -> None:
        """Takes note of a packet's stamp."""
        if self._counted and pts is not None:
            self._awaited.add(pts)

    def before(self, pts: int) -> int | None:
        """Returns the first stamp of which nothing was made before this frame; None: none.

        What precedes the first frame after a seek belongs to frames that were not read.
        """
        if not self._counted:
            return None
        earlier = [each for each in self._awaited if each <= pts]
        self._awaited.difference_update(earlier)
        begun, self._begun = self._begun, True
        lost = [each for each in earlier if each < pts]
        return min(lost) if begun and len(lost) >= _LOST else None
