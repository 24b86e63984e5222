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
    got_NHWC = np.zeros_like(wanted_NHWC)
    codec.decode(packets, list(got_NHWC))
    difference = np.abs(got_NHWC.astype(int) - wanted_NHWC)
    assert difference.mean() <= codec.MEAN_DIFFERENCE


def test_no_pictures_are_no_packets():
    packets = codec.encode(np.zeros((0, 32, 32, 3), np.uint8))
    assert packets == []
    codec.decode(packets, [])


def test_packets_of_another_number_of_pictures_are_refused():
    packets = codec.encode(pictures(32))
    with pytest.raises(ValueError, match="packets are there for 1 pictures"):
        codec.decode(packets, list(np.zeros((1, 32, 32, 3), np.uint8)))
