"""Pictures and sound of a media file, right by presentation time.

Times are seconds on the file's own clock, on which the file begins at 0: a file whose streams begin
later (a transport stream, a cut without re-encoding) is shifted so.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

import av
import numpy as np

from mirasol.data.frames import Resizer, mono, resampled

# Sampling times come from arithmetic in seconds: a frame counts as shown this much before its time.
_TOLERANCE_S = 1e-4
# A seek costs more than decoding this much, and a decoder of sound needs a start before the start.
_SEEK_FROM_S = 0.2
_SOUND_LEAD_S = 0.25
# Stamps coarser than a sample (a millisecond in Matroska) would tear the sound at every frame.
_SOUND_JITTER_S = 0.02


class MediaError(Exception):
    """A media file that is missing, broken, or does not hold what an annotation asks of it.

    Attributes:
      path: the file.
      reason: what is wrong with it.
      origin: the annotation row that asked for it, "" if none did.
    """

    def __init__(self, path: str, reason: str, origin: str = "") -> None:
        super().__init__(path, reason, origin)
        self.path, self.reason, self.origin = path, reason, origin

    def __str__(self) -> str:
        asked = f" (asked for by {self.origin})" if self.origin else ""
        return f"{self.path}: {self.reason}{asked}"


class MediaFile(contextlib.AbstractContextManager):
    """An open media file; both streams are read through one opening, which is half the cost.

    Raises:
      MediaError: from every method, if the file is missing or broken.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        with self._errors():
            self._container = av.open(path)
        kind = self._container.format.name
        if kind == "image2" or kind.endswith("_pipe"):  # FFmpeg's names for single pictures.
            self._container.close()
            raise MediaError(path, "it is a still picture; a video is wanted")
        streams = self._container.streams
        self._video = streams.video[0] if streams.video else None
        self._audio = streams.audio[0] if streams.audio else None
        for stream in (self._video, self._audio):
            if stream is not None:
                stream.codec_context.thread_count = 1  # The workers are the parallelism.
        # Below 0 lies only what an encoder put before the beginning, never what is shown.
        self._zero_s = max(0.0, (self._container.start_time or 0) / av.time_base)

    def __exit__(self, *_: object) -> None:
        self._container.close()

    @property
    def video_end_s(self) -> float:
        """Where the pictures end, s; 0 without pictures."""
        return self._end_s(self._video)

    @property
    def audio_end_s(self) -> float:
        """Where the sound ends, s; 0 without sound."""
        return self._end_s(self._audio)

    def span(self, start_s: float | None, end_s: float | None) -> tuple[float, float]:
        """Returns the clip from `start_s` (None: 0) to `end_s` (None: the end) as the file has it.

        The end is the pictures' if there are any: a track of sound overhangs by up to a frame.
        """
        media_end_s = self.video_end_s or self.audio_end_s
        if not media_end_s:
            raise MediaError(self._path, "it has neither pictures nor sound of a known length")
        start = start_s or 0.0
        end = media_end_s if end_s is None else min(end_s, media_end_s)
        if not 0 <= start < end:
            raise MediaError(
                self._path,
                f"the clip from {start:g} s to {end if end_s is None else end_s:g} s lies outside "
                f"the file, which has {media_end_s:g} s",
            )
        return start, end

    def video(self, times_s: Sequence[float] | np.ndarray, image_size: int) -> np.ndarray:
        """Returns the pictures on screen at ascending times: the latest frame of each moment.

        The whole picture is resized to a square (the paper does not state crop or aspect). Beyond
        the last frame, the last one stays.

        Returns:
          uint8 [len(times_s), image_size, image_size, 3], RGB.
        """
        stream = self._video
        if stream is None:
            raise MediaError(self._path, "it has no pictures")
        pictures = np.empty((len(times_s), image_size, image_size, 3), np.uint8)
        resize = Resizer(image_size)
        done = 0
        shown = None
        with self._errors():
            for time_s, frame in self._frames(stream, times_s[0]):
                first = done
                while done < len(times_s) and times_s[done] < time_s - _TOLERANCE_S:
                    done += 1
                if done > first:
                    pictures[first:done] = resize(shown or frame)
                shown = frame
                if done == len(times_s):
                    break
            if shown is None:
                raise MediaError(self._path, f"no picture could be decoded at {times_s[0]:g} s")
            if done < len(times_s):
                pictures[done:] = resize(shown)
        return pictures

    def audio(self, start_s: float, end_s: float, sample_rate: int) -> np.ndarray:
        """Returns the sound between two times as float32 [samples] in -1..1, channels averaged.

        What lies outside the track, and holes in it, are silence. `start_s` may be below 0.
        """
        stream = self._audio
        if stream is None:
            raise MediaError(self._path, "it has no sound")
        rate = stream.codec_context.sample_rate
        track = np.zeros(round((end_s - start_s) * rate), np.float32)
        expected = None
        with self._errors():
            for time_s, frame in self._frames(stream, max(0.0, start_s), _SOUND_LEAD_S):
                at = round((time_s - start_s) * rate)
                if expected is not None and abs(at - expected) < _SOUND_JITTER_S * rate:
                    at = expected
                if at >= len(track):
                    break
                samples = mono(frame)
                expected = at + len(samples)
                low, high = max(at, 0), min(expected, len(track))
                if high > low:
                    track[low:high] = samples[low - at : high - at]
            return track if rate == sample_rate else resampled(track, rate, sample_rate)

    def _frames(self, stream, start_s: float, lead_s: float = 0.0) -> Iterator[tuple]:
        """Yields (time in s, frame) in order of presentation, from at or before `start_s`."""
        wanted_s = max(0.0, start_s - lead_s)
        seek = wanted_s > _SEEK_FROM_S
        self._container.seek(
            int((wanted_s + self._zero_s) / stream.time_base) if seek else 0,
            stream=stream if seek else None,
        )
        frames = self._timed(stream)
        head = next(frames, None)
        if seek and (head is None or head[0] > start_s + _TOLERANCE_S):
            # An index that points past its target: read from the beginning instead.
            self._container.seek(0)
            frames = self._timed(stream)
            head = next(frames, None)
        if head is not None:
            yield head
            yield from frames

    def _timed(self, stream) -> Iterator[tuple]:
        for frame in self._container.decode(stream):
            if frame.time is None:
                raise MediaError(self._path, "its frames carry no presentation times")
            yield frame.time - self._zero_s, frame

    def _end_s(self, stream) -> float:
        if stream is None:
            return 0.0
        if stream.duration:
            start = (stream.start_time or 0) + stream.duration
            return float(start * stream.time_base) - self._zero_s
        return (self._container.duration or 0) / av.time_base  # Matroska keeps one length for all.

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise MediaError(self._path, "no such file") from None
        except (av.FFmpegError, OSError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise MediaError(self._path, f"it cannot be decoded ({reason})") from None


def clip_span(path: str, start_s: float | None, end_s: float | None) -> tuple[float, float]:
    """Returns where a clip begins and ends in a file, s; see `MediaFile.span`."""
    with MediaFile(path) as media:
        return media.span(start_s, end_s)


def decode_video(path: str, times_s: Sequence[float] | np.ndarray, image_size: int) -> np.ndarray:
    """Returns uint8 [n, H, W, 3], the pictures on screen at `times_s`; see `MediaFile.video`."""
    with MediaFile(path) as media:
        return media.video(times_s, image_size)


def decode_audio(path: str, start_s: float, end_s: float, sample_rate: int) -> np.ndarray:
    """Returns float32 [samples] between two times; see `MediaFile.audio`."""
    with MediaFile(path) as media:
        return media.audio(start_s, end_s, sample_rate)
