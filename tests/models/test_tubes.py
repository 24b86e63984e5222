"""Sparse tubes against centres worked out by hand, loops in numpy, and torch's convolution."""

import itertools

import numpy as np
import pytest
import torch
from torch.nn import functional

from mirasol.models.positions import sincos_positions
from mirasol.models.tubes import (
    Tube,
    TubeTokens,
    tubes_for_images,
    tubes_for_short_chunks,
    tubes_of_tubevit,
)

EXTENTS = (8, 9, 13)
PLAIN = Tube(kernel=(2, 3, 4), stride=(3, 4, 5), offset=(1, 0, 2))
OVERLAPPING = Tube(kernel=(4, 3, 3), stride=(2, 5, 2), offset=(0, 1, 3))
IN_TIME = Tube(kernel=(3, 2, 2), stride=(4, 5, 3), offset=(1, 2, 0), space_to_depth=(2, 1, 1))
IN_SPACE = Tube(kernel=(3, 2, 2), stride=(4, 4, 6), offset=(1, 0, 1), space_to_depth=(1, 2, 2))
EVERYWHERE = Tube(kernel=(1, 2, 3), stride=(2, 2, 9), space_to_depth=(2, 2, 3))
TUBES = (PLAIN, OVERLAPPING, IN_TIME, IN_SPACE, EVERYWHERE)


def a_video(extents=EXTENTS, batch=2):
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (batch, *extents, 3), dtype=torch.uint8, generator=generator)


def some_tokens(tube, extents=EXTENTS, width=48):
    torch.manual_seed(0)
    return TubeTokens(tube, extents, width)


def centres(tube, extents):
    """Returns the distinct centres along each axis."""
    return [sorted(set(axis)) for axis in tube.centres(extents).T.tolist()]


def test_centres_are_in_the_middle_of_what_a_tube_sees():
    # Frames 1-2 and 4-5, rows 0-2 and 4-6, columns 2-5 and 7-10.
    assert PLAIN.centres(EXTENTS).tolist() == [
        [1.5, 1, 3.5],
        [1.5, 1, 8.5],
        [1.5, 5, 3.5],
        [1.5, 5, 8.5],
        [4.5, 1, 3.5],
        [4.5, 1, 8.5],
        [4.5, 5, 3.5],
        [4.5, 5, 8.5],
    ]


def test_centres_of_tubevit():
    extents = (32, 224, 224)
    long, fine, wide, patch = (centres(tube, extents) for tube in tubes_of_tubevit())
    # Two pieces of frames 0-7 and 8-15, then 16-31; rows 0-7, 32-39, ...
    assert long[0] == [7.5, 23.5]
    assert long[1] == long[2] == [3.5 + 32 * i for i in range(7)]
    # Frames 4-19, 10-25, 16-31; pieces of rows 8-11 and 24-27, together 8-27.
    assert fine[0] == [11.5, 17.5, 23.5]
    assert fine[1] == fine[2] == [17.5 + 32 * i for i in range(7)]
    # Frames 0-3 and 16-19; rows 16-27, ...
    assert wide[0] == [1.5, 17.5]
    assert wide[1] == wide[2] == [21.5 + 32 * i for i in range(7)]
    assert patch[0] == [0]
    assert patch[1] == patch[2] == [7.5 + 16 * i for i in range(14)]


@pytest.mark.parametrize(
    ("tubes", "extents", "expected"),
    [
        (tubes_of_tubevit(), (32, 224, 224), [98, 147, 98, 196]),
        (tubes_for_short_chunks(), (8, 224, 224), [49, 49, 98, 196]),
        (tubes_for_images(), (1, 224, 224), [196]),
        (tubes_for_images(), (8, 224, 224), [8 * 196]),
    ],
)
def test_token_counts(tubes, extents, expected):
    with torch.device("meta"):
        kinds = [TubeTokens(tube, extents, 768) for tube in tubes]
    assert [kind.tokens for kind in kinds] == expected
    video = torch.empty(2, *extents, 3, dtype=torch.uint8, device="meta")
    assert [kind(video).shape for kind in kinds] == [(2, count, 768) for count in expected]


def test_short_tubes_see_every_frame_of_a_chunk():
    for tube in tubes_for_short_chunks()[:3]:
        assert set(tube.samples((8, 224, 224))[0].tolist()) == set(range(8))


@pytest.mark.parametrize("tube", TUBES)
def test_tokens_are_those_of_loops_over_the_video(tube):
    tokens, video = some_tokens(tube), a_video()
    weight = tokens.project.weight.detach().double().numpy()
    bias = tokens.project.bias.detach().double().numpy()
    scaled = video.numpy() / 127.5 - 1
    expected, middles = [], []
    starts = [
        range(offset, extent, stride)
        for offset, extent, stride in zip(tube.offset, EXTENTS, tube.stride, strict=True)
    ]
    for corner in itertools.product(*starts):
        pieces, ends = [], []
        for number in itertools.product(*(range(p) for p in tube.space_to_depth)):
            begin = [
                c + n * s // p
                for c, n, s, p in zip(corner, number, tube.stride, tube.space_to_depth, strict=True)
            ]
            t, h, w = (slice(b, b + k) for b, k in zip(begin, tube.kernel, strict=True))
            pieces.append(scaled[:, t, h, w].reshape(2, -1))
            ends = [s.stop for s in (t, h, w)]
        if all(end <= extent for end, extent in zip(ends, EXTENTS, strict=True)):
            expected.append(np.concatenate([p @ weight.T + bias for p in pieces], axis=1))
            middles.append([(c + e - 1) / 2 for c, e in zip(corner, ends, strict=True)])
    assert tokens.tokens == len(expected) > 0
    assert tube.centres(EXTENTS).tolist() == middles
    expected = np.stack(expected, axis=1) + sincos_positions(torch.tensor(middles), 48).numpy()
    np.testing.assert_allclose(tokens(video).detach().numpy(), expected, atol=1e-5)


@pytest.mark.parametrize("tube", [PLAIN, OVERLAPPING])
def test_a_tube_is_a_convolution_without_padding(tube):
    tokens, video = some_tokens(tube), a_video()
    kernel = tokens.project.weight.reshape(48, *tube.kernel, 3).permute(0, 4, 1, 2, 3)
    t, h, w = tube.offset
    scaled = video[:, t:, h:, w:].permute(0, 4, 1, 2, 3) / 127.5 - 1
    found = functional.conv3d(scaled, kernel, tokens.project.bias, stride=tube.stride)
    assert found.shape[2:] == tokens.counts
    expected = found.flatten(2).transpose(1, 2) + tokens.positions_ND
    torch.testing.assert_close(tokens(video), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("factors", "axes"), [((2, 1, 1), (2,)), ((1, 2, 2), (3, 4)), ((2, 2, 2), (2, 3, 4))]
)
def test_space_to_depth_puts_neighbours_of_a_finer_convolution_on_the_channels(factors, axes):
    # Three pieces fit along each axis and two make a token, so the third is left out.
    tube = Tube(kernel=(2, 3, 2), stride=(4, 4, 4), offset=(1, 0, 2), space_to_depth=factors)
    extents = (7, 7, 8)
    tokens, video = some_tokens(tube, extents), a_video(extents)
    channels = 48 // np.prod(factors)
    kernel = tokens.project.weight.reshape(channels, *tube.kernel, 3).permute(0, 4, 1, 2, 3)
    scaled = video[:, 1:, :, 2:].permute(0, 4, 1, 2, 3) / 127.5 - 1
    fine = functional.conv3d(scaled, kernel, tokens.project.bias, stride=tube.step)
    assert tokens.counts == tuple(
        size // factor for size, factor in zip(fine.shape[2:], factors, strict=True)
    )
    # The first token: its pieces row by row, channels inside.
    corner = fine[0, :, : factors[0], : factors[1], : factors[2]]
    expected = corner.permute(1, 2, 3, 0).flatten() + tokens.positions_ND[0]
    torch.testing.assert_close(tokens(video)[0, 0], expected, atol=1e-5, rtol=1e-5)
    assert all(fine.shape[axis] == 3 for axis in axes)


def test_what_no_tube_sees_changes_nothing():
    tokens, video = some_tokens(PLAIN), a_video()
    other = 255 - video
    for frames in ([1, 2], [4, 5]):
        for rows in (slice(0, 3), slice(4, 7)):
            for columns in (slice(2, 6), slice(7, 11)):
                other[:, frames, rows, columns] = video[:, frames, rows, columns]
    assert torch.equal(tokens(video), tokens(other))
    assert not torch.equal(tokens(video), tokens(255 - video))


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"kernel": (0, 4, 4)}, r"Tube\.kernel is \(0, 4, 4\).*at least 1: frames, rows"),
        ({"stride": (4, 4)}, r"Tube\.stride is \(4, 4\).*three whole numbers"),
        ({"offset": (0, -1, 0)}, r"Tube\.offset is \(0, -1, 0\).*at least 0"),
        ({"space_to_depth": (1, 0.5, 1)}, r"Tube\.space_to_depth is \(1, 0\.5, 1\)"),
        ({"space_to_depth": (3, 1, 1)}, r"stride \(4, 8, 8\).*multiple of.*\(3, 1, 1\)"),
    ],
)
def test_sizes_out_of_range_are_named(sizes, message):
    with pytest.raises(ValueError, match=message):
        Tube(**({"kernel": (2, 4, 4), "stride": (4, 8, 8)} | sizes))


def test_a_tube_that_does_not_fit_says_what_it_needs():
    with pytest.raises(ValueError, match=r"needs \(20, 28, 28\).*chunk has \(8, 224, 224\)"):
        TubeTokens(tubes_of_tubevit()[1], (8, 224, 224), 48)
    with pytest.raises(ValueError, match=r"width 50 is not a multiple of 4"):
        TubeTokens(IN_SPACE, EXTENTS, 50)
