"""One decoded frame of pictures or sound as an array."""

from __future__ import annotations

import av
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter

_BLOCK = 1 << 20  # Samples.


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


def mono(frame: av.AudioFrame) -> np.ndarray:
    """Returns an audio frame as float32 [samples] in -1..1, its channels averaged."""
    samples = frame.to_ndarray()
    if not frame.format.is_planar:
        samples = samples.reshape(-1, len(frame.layout.channels)).T
    if samples.dtype.kind != "f":
        middle = 2.0 ** (8 * samples.dtype.itemsize - 1)
        offset = middle if samples.dtype.kind == "u" else 0.0
        samples = (samples - offset) / middle
    return samples[0] if len(samples) == 1 else samples.mean(axis=0, dtype=np.float32)


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
