from __future__ import annotations

import numpy as np
import pytest

from mirasol.data.media_cache import codec


def pictures(size: int, count: int = 8) -> np.ndarray:
    """Returns waves of colour that move, and a hard edge."""
    y, x, frame = np.ogrid[:size, :size, :count]
    wave = [np.sin((x + frame) / 5 + y / (7 + colour)) for colour in range(3)]
    made = 128 + 90 * np.stack(wave, axis=-1).transpose(2, 0, 1, 3)
    made[:, size // 3 : size // 2, : size // 2] = (250, 10, 30)
    return made.astype(np.uint8)


@pytest.mark.parametrize("size", [224, 64, 32, 31])
def test_pictures_come_back_within_what_is_said(size):
    wanted_NHWC = pictures(size)
    packets = codec.encode(wanted_NHWC)
    got_NHWC = codec.decode(packets, size)
    assert (got_NHWC.dtype, got_NHWC.shape) == (wanted_NHWC.dtype, wanted_NHWC.shape)
    difference = np.abs(got_NHWC.astype(int) - wanted_NHWC)
    assert difference.mean() <= codec.MEAN_DIFFERENCE


def test_no_pictures_are_no_packets():
    packets = codec.encode(np.zeros((0, 32, 32, 3), np.uint8))
    assert packets == []
