"""Pictures and sound of a media file, right by presentation time.

What is asked is a time and never an index, so that constant and variable rates are alike. A picture
is right, or there is none: what the decoder knows to be damaged, and what a file says it has but
breaks off before, is a `MediaError` (docs/media.md says which damage can be known).

Times are seconds on the file's own clock (tracks.py).
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Literal

import numpy as np

from mirasol.data.containers import MediaError, best_stream, errors_named, open_container
from mirasol.data.frames import Resizer, Sound, resampled
from mirasol.data.tracks import TimedFrame, Track

__all__ = ["MediaError", "MediaFile", "clip_span", "decode_audio", "decode_video"]

# A decoder of sound needs a start before the start.
_SOUND_LEAD_S = 0.25
# Stamps coarser than a sample (a millisecond in Matroska) would tear the sound at every frame.
_SOUND_JITTER_S = 0.02
# Files of floats can hold anything; 1 is full scale, and lossy codecs overshoot it a little.
_LOUDEST = 64.0
# Longer files are none, but have a broken header.
_LONGEST_S = 24 * 3600.0


class MediaFile(contextlib.AbstractContextManager):
    """An open media file; both streams are read through one opening, which is half the cost.

    Raises:
      MediaError: from every method, if the file is missing or broken.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._container = open_container(path)
        self._video, self._audio = self._track("video"), self._track("audio")

    def __exit__(self, *_: object) -> None:
        self._container.close()

    @property
    def video_end_s(self) -> float:
        """Where the pictures end, s; 0 without pictures."""
        return self._video.end_s if self._video else 0.0

    @property
    def audio_end_s(self) -> float:
        """Where the sound ends, s; 0 without sound."""
        return self._audio.end_s if self._audio else 0.0

    def span(self, start_s: float | None, end_s: float | None) -> tuple[float, float]:
        """Returns the clip from `start_s` (None: 0) to `end_s` (None: the end) as the file has it.

        The end is the pictures' if there are any: a track of sound overhangs by up to a frame.
        """
        media_end_s = self.video_end_s or self.audio_end_s
        if not media_end_s:
            raise MediaError(self._path, "it has neither pictures nor sound of a known length")
        if not 0 < media_end_s <= _LONGEST_S:
            raise MediaError(
                self._path,
                f"it states a length of {media_end_s:g} s; up to {_LONGEST_S:g} s are read",
            )
        start = start_s or 0.0
        end = media_end_s if end_s is None else min(end_s, media_end_s)
        if not 0 <= start < end:
            raise MediaError(
                self._path,
                f"the clip from {start:g} s to {end if end_s is None else end_s:g} s lies outside "
                f"the file, which has {media_end_s:g} s",
            )
        return start, end

    def video(
        self,
        times_s: Sequence[float] | np.ndarray,
        image_size: int,
        out: np.ndarray | None = None,
    ) -> np.ndarray:
        """Returns the pictures on screen at ascending times: the latest frame of each moment.

        The whole picture is resized to a square (the paper does not state crop or aspect), the way
        up that a player shows it. Before the first frame and beyond the end, that frame stays.

        Args:
          times_s: ascending.
          image_size: height and width, px.
          out: where the pictures are written; None: to memory of their own.

        Returns:
          uint8 [len(times_s), image_size, image_size, 3], RGB.
        """
        if self._video is None:
            raise MediaError(self._path, "it has no pictures")
        shape = (len(times_s), image_size, image_size, 3)
        pictures = np.empty(shape, np.uint8) if out is None else out
        resize = Resizer(image_size)
        with errors_named(self._path):
            for which, frame in self._video.shown(times_s):
                pictures[which] = resize(frame)
        return pictures

    def audio(self, start_s: float, end_s: float, sample_rate: int) -> np.ndarray:
        """Returns the sound between two times as float32 [samples] in -1..1, channels averaged.

        What lies outside the track, and holes in it, are silence. `start_s` may be below 0.
        """
        if self._audio is None:
            raise MediaError(self._path, "it has no sound")
        with errors_named(self._path):
            rate = self._audio.codec.sample_rate
            if not rate:
                raise MediaError(self._path, "its sound has no sample rate")
            heard = self._heard(self._audio, start_s, end_s, rate)
            if len(heard) and not max(heard.max(), -heard.min()) <= _LOUDEST:
                raise MediaError(self._path, "its sound holds values that are no sound")
            return resampled(heard, rate, sample_rate, round((end_s - start_s) * sample_rate))

    def _heard(self, track: Track, start_s: float, end_s: float, rate: int) -> np.ndarray:
        """Returns float32 [samples] at the file's own rate, to the last one that there is."""
        sound = Sound(round((end_s - start_s) * rate))
        last: TimedFrame | None = None
        for last in track.frames(max(0.0, start_s), _SOUND_LEAD_S):
            at = round((last.time_s - start_s) * rate)
            if abs(at - sound.expected) < _SOUND_JITTER_S * rate:
                at = sound.expected
            if at >= sound.length:
                return sound.heard()
            if at + last.frame.samples > 0 and track.require_whole(last).sample_rate != rate:
                raise MediaError(self._path, f"its sample rate changes at {last.time_s:g} s")
            sound.add(at, last.frame)
        track.require_reached(last, end_s)
        return sound.heard()

    def _track(self, kind: Literal["video", "audio"]) -> Track | None:
        with contextlib.ExitStack() as undo:
            undo.callback(self._container.close)
            with errors_named(self._path):
                stream = best_stream(self._container, kind)
                track = None if stream is None else Track(self._path, self._container, stream)
            undo.pop_all()
        return track


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
