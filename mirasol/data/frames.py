"""One decoded frame of pictures or sound as an array."""

from __future__ import annotations

from collections.abc import Sequence

import av
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter

_BLOCK = 1 << 20  # Samples.
_FRAMES = 64  # A second or two of sound.


class Resizer:
    """One scaler for all frames of a file: making one costs more than using it."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._reformatter = VideoReformatter()

    def __call__(self, frame: av.VideoFrame) -> np.ndarray:
        """Returns the whole frame as uint8 [size, size, 3], RGB, turned as the file asks for."""
        size = self._size
        small = self._reformatter.reformat(
            frame, size, size, "rgb24", interpolation=Interpolation.AREA, threads=1
        )
        plane = small.planes[0]
        rows = np.frombuffer(memoryview(plane), np.uint8).reshape(size, plane.line_size)
        picture = rows[:, : 3 * size].reshape(size, size, 3)
        turned = round(frame.rotation / 90) % 4  # Counterclockwise.
        return np.rot90(picture, turned) if turned else picture


class Sound:
    """Samples gathered from frames; holes between them are silence.

    Frames that follow one another are turned to samples many at a time: of a clip's hundreds, each
    by itself takes longer than its decoding.

    Attributes:
      length: samples in all.
      expected: where the next frame should begin; far before the beginning if there was none yet.

    Args:
      length: samples in all.
    """

    def __init__(self, length: int) -> None:
        self.length = length
        self.expected = -(1 << 62)
        self._samples = np.zeros(length, np.float32)
        self._reached = self._start = 0
        self._waiting: list[av.AudioFrame] = []
        self._storage = "", ""

    def add(self, at: int, frame: av.AudioFrame) -> None:
        """Takes a frame whose first sample is number `at`, which may be below 0."""
        full, storage = len(self._waiting) == _FRAMES, _storage(frame)
        if full or at != self.expected or storage != self._storage:
            self._place()
            self._start, self._storage = at, storage
        self._waiting.append(frame)
        self.expected = at + frame.samples

    def heard(self) -> np.ndarray:
        """Returns float32 [samples] up to the last one that there is."""
        self._place()
        return self._samples[: self._reached]

    def _place(self) -> None:
        if not self._waiting:
            return
        low, high = max(self._start, 0), min(self.expected, self.length)
        if high > low:
            samples = mono(self._waiting)
            self._samples[low:high] = samples[low - self._start : high - self._start]
            self._reached = max(self._reached, high)
        self._waiting = []


def mono(frames: Sequence[av.AudioFrame]) -> np.ndarray:
    """Returns audio frames, stored alike, as float32 [samples] in -1..1, channels averaged."""
    # Of the first frame alone by to_ndarray(), which stacks the planes of each: that takes twice as
    # long as to put the planes of all together.
    first = frames[0].to_ndarray()
    values = first.shape[1] // frames[0].samples  # In a plane, for each moment.
    samples = np.stack(
        [
            np.concatenate(
                [
                    np.frombuffer(memoryview(f.planes[plane]), first.dtype, f.samples * values)
                    for f in frames
                ]
            )
            for plane in range(len(first))
        ]
    )
    if not frames[0].format.is_planar:
        samples = samples.reshape(-1, values).T
    if samples.dtype.kind != "f":
        middle = 2.0 ** (8 * samples.dtype.itemsize - 1)
        offset = middle if samples.dtype.kind == "u" else 0.0
        samples = (samples - offset) / middle
    return samples[0] if len(samples) == 1 else samples.mean(axis=0, dtype=np.float32)


def _storage(frame: av.AudioFrame) -> tuple[str, str]:
    return frame.format.name, frame.layout.name


def resampled(samples: np.ndarray, rate: int, wanted: int, count: int) -> np.ndarray:
    """Returns float32 [count] at another rate, silence from where the samples end.

    swresample's delay is made good by its flush. Long sound goes through it in blocks.
    """
    out = np.zeros(count, np.float32)
    if rate == wanted:
        out[: len(samples)] = samples[:count]
        return out
    resampler = av.AudioResampler(format="fltp", layout="mono", rate=wanted)
    at = 0
    for start in (*range(0, len(samples), _BLOCK), None):
        block = None if start is None else _audio_frame(samples[start : start + _BLOCK], rate)
        for part in resampler.resample(block):
            values = part.to_ndarray()[0][: count - at]
            out[at : at + len(values)] = values
            at += len(values)
    return out


def _audio_frame(samples: np.ndarray, rate: int) -> av.AudioFrame:
    frame = av.AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
    frame.sample_rate = rate
    return frame
