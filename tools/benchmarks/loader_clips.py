"""Clips to be decoded: H.264 and AAC, with enough going on that decoding them costs what it does.

A texture of noise at several scales is panned and zoomed as by a hand-held camera, two discs cross
it, and every frame has noise of its own, as a sensor's. Sound is tones that glide, and noise.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import av
import numpy as np

WIDTH_PX, HEIGHT_PX, FPS = 320, 240, 25
RATE_HZ = 44_100
_TEXTURE_PX = 768
_SENSOR_NOISE = 3.0  # Of 255, a deviation.


def write_clips(folder: Path, count: int, seconds: float) -> list[Path]:
    """Writes `count` different clips and returns their paths."""
    paths = []
    for number in range(count):
        path = folder / f"clip{number:03}.mp4"
        _write(path, seconds, np.random.default_rng(number))
        paths.append(path)
    return paths


def write_manifest(paths: list[Path], rows: int, seconds: float) -> Path:
    """Writes a manifest with a question about each of `rows` clips; returns its path.

    The files are named in turns. Each row begins a little later, less than a frame in all, so that
    it is a clip of its own and costs the same.
    """
    path = paths[0].parent / "manifest.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for number in range(rows):
            row = {
                "media": paths[number % len(paths)].name,
                "start": 0.5 / FPS * number / rows,
                "end": seconds,
                "question": f"what is clip {number}",
                "answer": "noise",
            }
            file.write(json.dumps(row) + "\n")
    return path


def _write(path: Path, seconds: float, rng: np.random.Generator) -> None:
    with av.open(str(path), "w") as container:
        picture = container.add_stream("libx264", rate=FPS, options={"crf": "23"})
        picture.width, picture.height, picture.pix_fmt = WIDTH_PX, HEIGHT_PX, "yuv420p"
        picture.codec_context.thread_count = 1
        sound = container.add_stream("aac", rate=RATE_HZ)
        sound.layout = "stereo"
        for frame in _frames(round(seconds * FPS), rng):
            container.mux(picture.encode(frame))
        container.mux(picture.encode(None))
        container.mux(sound.encode(_sound(seconds, rng)))
        container.mux(sound.encode(None))


def _frames(count: int, rng: np.random.Generator):
    texture = _texture(rng)
    speed_px, turn = rng.uniform(20, 60, 2), rng.uniform(0, 2 * math.pi, 4)
    colours = rng.integers(0, 256, (2, 3))
    rows, columns = np.mgrid[0:HEIGHT_PX, 0:WIDTH_PX]
    for index in range(count):
        time_s = index / FPS
        zoom = 1.0 + 0.15 * math.sin(0.8 * time_s + turn[0])
        down = 80 * math.sin(0.5 * time_s + turn[1]) + speed_px[0] * time_s / 4
        right = 80 * math.sin(0.3 * time_s + turn[2]) + speed_px[1] * time_s / 4
        places = ((rows * zoom + down) % _TEXTURE_PX).astype(int)
        image = texture[places, ((columns * zoom + right) % _TEXTURE_PX).astype(int)]
        for disc, colour in enumerate(colours):
            x = WIDTH_PX * (0.5 + 0.5 * math.sin((0.7 + disc) * time_s + turn[3]))
            y = HEIGHT_PX * (0.5 + 0.3 * math.cos((0.9 + disc) * time_s + turn[3]))
            image[(columns - x) ** 2 + (rows - y) ** 2 < 28**2] = colour
        image = image + rng.normal(0, _SENSOR_NOISE, (HEIGHT_PX, WIDTH_PX, 1))
        frame = av.VideoFrame.from_ndarray(image.clip(0, 255).astype(np.uint8), format="rgb24")
        frame.pts = index
        yield frame


def _texture(rng: np.random.Generator) -> np.ndarray:
    """Returns noise at scales of 3 to 96 px, float32 [px, px, 3] in 0..255."""
    total = np.zeros((_TEXTURE_PX, _TEXTURE_PX, 3), np.float32)
    for scale in (96, 48, 24, 12, 6, 3):
        cells = rng.normal(0, scale**0.5, (_TEXTURE_PX // scale, _TEXTURE_PX // scale, 3))
        total += np.kron(cells, np.ones((scale, scale, 1))).astype(np.float32)
    total -= total.min()
    return total * (255 / total.max())


def _sound(seconds: float, rng: np.random.Generator) -> av.AudioFrame:
    time_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    tones = sum(
        np.sin(2 * np.pi * hz * (time_s + 0.02 * np.sin(time_s)))
        for hz in rng.uniform(100, 4000, 5)
    )
    both = 0.08 * tones + rng.normal(0, 0.05, (2, len(time_s)))
    frame = av.AudioFrame.from_ndarray(both.astype(np.float32), "fltp", "stereo")
    frame.sample_rate, frame.pts = RATE_HZ, 0
    return frame
