"""Small media files whose pictures and sound tell the time, for the tests of the data road."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np

from mirasol.batch import ExampleShape

RATE_HZ = 16_000
CLICK_EVERY_S = 0.32


def shape(**others: int) -> ExampleShape:
    """Returns the shape of such a file of 32 frames, four chunks, for questions of six tokens."""
    media = {"chunks": 4, "chunk_frames": 8, "image_size": 32, "chunk_bands": 16, "mel_bins": 24}
    return ExampleShape(prompt_length=6, **media, **others)


def brightness(index: int) -> int:
    """Grey level of frame `index`: 24 levels, 8 apart."""
    return 30 + 8 * (index % 24)


def frame_numbers(video: np.ndarray) -> np.ndarray:
    """Returns the frame numbers (modulo 24) that uint8 [n, H, W, 3] pictures show."""
    return np.round((video.mean(axis=(-3, -2, -1)) - 30) / 8).astype(int)


def write_media(
    path: Path,
    frames: int = 32,
    fps: int = 25,
    audio: bool = True,
    video: bool = True,
    rate: int = RATE_HZ,
    layout: str = "mono",
    gop: int = 12,
    stamps: list[int] | None = None,
    codec: str = "libx264",
) -> Path:
    """Writes frames that carry their number, and a 5 ms click every 0.32 s, 0.1 s into it.

    `stamps` gives frames their own presentation times, in ticks of 1/fps.
    """
    with av.open(str(path), "w") as container:
        streams = []
        if video:
            picture = container.add_stream(codec, rate=fps, options={"crf": "10"})
            picture.width, picture.height, picture.pix_fmt = 64, 48, "yuv420p"
            picture.gop_size = gop
            streams.append((picture, _frames(frames, stamps)))
        if audio:
            codec = "libopus" if path.suffix in (".webm", ".mkv") else "aac"
            sound = container.add_stream(codec, rate=rate)
            sound.layout = layout
            streams.append((sound, [_clicks(frames / fps, rate, layout)]))
        for stream, items in streams:
            for item in items:
                container.mux(stream.encode(item))
            container.mux(stream.encode(None))
    return path


def _frames(count: int, stamps: list[int] | None):
    for index in range(count):
        grey = np.full((48, 64, 3), brightness(index), np.uint8)
        frame = av.VideoFrame.from_ndarray(grey, format="rgb24")
        frame.pts = index if stamps is None else stamps[index]
        yield frame


def _clicks(seconds: float, rate: int, layout: str):
    samples = np.zeros(round(seconds * rate), np.float32)
    for start_s in np.arange(0.1, seconds, CLICK_EVERY_S):
        at = round(start_s * rate)
        click = samples[at : at + rate // 200]
        click += 0.5 * np.sign(np.sin(2 * np.pi * 1000 * np.arange(len(click)) / rate))
    channels = {"mono": 1, "stereo": 2}[layout]
    frame = av.AudioFrame.from_ndarray(np.tile(samples, (channels, 1)), "fltp", layout)
    frame.sample_rate, frame.pts = rate, 0
    return frame


def click_times(samples: np.ndarray, rate: int = RATE_HZ) -> list[float]:
    """Returns where clicks begin in float32 [samples], s."""
    loud = np.flatnonzero(np.abs(samples) > 0.15)
    begins = loud[np.diff(loud, prepend=-rate) > rate * 0.05]
    return [float(begin / rate) for begin in begins]
