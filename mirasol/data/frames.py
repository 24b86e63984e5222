"""One decoded frame of pictures or sound as an array."""

from __future__ import annotations

import av
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter


class Resizer:
    """One scaler for all frames of a file: making one costs more than using it."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._reformatter = VideoReformatter()

    def __call__(self, frame: av.VideoFrame) -> np.ndarray:
        """Returns the whole frame as uint8 [size, size, 3], RGB."""
        size = self._size
        small = self._reformatter.reformat(
            frame, size, size, "rgb24", interpolation=Interpolation.AREA, threads=1
        )
        plane = small.planes[0]
        rows = np.frombuffer(memoryview(plane), np.uint8).reshape(size, plane.line_size)
        return rows[:, : 3 * size].reshape(size, size, 3)


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


def resampled(samples: np.ndarray, rate: int, wanted: int) -> np.ndarray:
    """Returns the sound at another rate; swresample's delay is made good by its flush."""
    count = round(len(samples) * wanted / rate)
    frame = av.AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
    frame.sample_rate = rate
    resampler = av.AudioResampler(format="fltp", layout="mono", rate=wanted)
    parts = [
        part.to_ndarray()[0] for part in (*resampler.resample(frame), *resampler.resample(None))
    ]
    out = np.zeros(count, np.float32)
    joined = np.concatenate(parts)[:count]
    out[: len(joined)] = joined
    return out
