"""The pixels of a scene."""

from __future__ import annotations

import numpy as np

from mirasol.data.av_shapes.scenes import Scene, Thing
from mirasol.data.av_shapes.spec import CHUNK_FRAMES, IMAGE_SIZE_PX

_COLOURS_RGB = {
    "red": (220, 40, 40),
    "green": (40, 190, 60),
    "blue": (50, 80, 230),
    "yellow": (230, 210, 50),
}
# A grain that stays through the clip and one that flickers. The first costs bits once, the
# second in every frame; together they keep a pixel's brightness from telling anything.
_STILL_GRAIN, _FLICKER_GRAIN = 14.0, 3.0
_GRID_PX = np.arange(IMAGE_SIZE_PX, dtype=np.float32)


def draw_frames(scene: Scene, random: np.random.Generator) -> np.ndarray:
    """Returns the frames of a clip, uint8 [T * F, H, W, 3], RGB."""
    size = IMAGE_SIZE_PX
    still_HW = random.uniform(50, 110) + _STILL_GRAIN * random.standard_normal(
        (size, size), dtype=np.float32
    )
    flicker_THW = random.standard_normal((scene.frames, size, size), dtype=np.float32)
    frames_THWC = np.repeat((still_HW + _FLICKER_GRAIN * flicker_THW)[..., None], 3, axis=-1)
    for event in scene.events:
        first = event.chunk * CHUNK_FRAMES
        for frame in range(first, first + CHUNK_FRAMES):
            cover_HW1 = _cover(event.thing, frame)[..., None]
            colour_C = np.array(_COLOURS_RGB[event.thing.colour], np.float32)
            frames_THWC[frame] += cover_HW1 * (colour_C - frames_THWC[frame])
    return np.clip(frames_THWC + 0.5, 0, 255).astype(np.uint8)


def _cover(thing: Thing, frame: int) -> np.ndarray:
    """Returns how much of each pixel the thing covers, float32 [H, W] in 0..1."""
    x_px, y_px = thing.centre_px(frame)
    dx_W = np.abs(_GRID_PX - x_px)[None, :]
    dy_H = np.abs(_GRID_PX - y_px)[:, None]
    distance_HW = _DISTANCES[thing.shape](dx_W, dy_H, thing.radius_px)
    return np.clip(0.5 - distance_HW, 0, 1).astype(np.float32)


def _ring(dx: np.ndarray, dy: np.ndarray, radius_px: float) -> np.ndarray:
    half_width_px = 0.2 * radius_px
    return np.abs(np.hypot(dx, dy) - (radius_px - half_width_px)) - half_width_px


def _square(dx: np.ndarray, dy: np.ndarray, radius_px: float) -> np.ndarray:
    return np.maximum(dx, dy) - 0.85 * radius_px


def _cross(dx: np.ndarray, dy: np.ndarray, radius_px: float) -> np.ndarray:
    arm_px = 0.3 * radius_px
    return np.minimum(
        np.maximum(dx - radius_px, dy - arm_px), np.maximum(dx - arm_px, dy - radius_px)
    )


# Signed distances to the edge in px, negative inside, of |dx| and |dy| from the centre.
_DISTANCES = {"ring": _ring, "square": _square, "cross": _cross}
