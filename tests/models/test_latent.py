"""The latent model: what sees what, masking, and streams against whole passes."""

import pytest
import torch

from mirasol.models.latent import LatentModel, banded_chunk_mask
from mirasol.models.transformer import chunk_causal_mask

B, T, M, D = 2, 5, 3, 8
WINDOWS = [None, 1, 2, 3, 9]
# Holes at the start, in the middle and at the end, and a clip with nothing but its last chunk.
VALID_BT = torch.tensor([[0, 1, 0, 1, 0], [0, 0, 0, 0, 1]], dtype=torch.bool)


def build(**changes):
    torch.manual_seed(0)
    settings = {"width": D, "layers": 2, "heads": 2, "tokens": M, "mask_ratio": 0.0}
    return LatentModel(**settings | changes).double().eval()


def inputs(chunks=T):
    generator = torch.Generator().manual_seed(1)
    return torch.randn(B, chunks, M, D, generator=generator, dtype=torch.float64)


def stream(model, x_BTMD, valid_BT):
    """Returns h of each chunk in turn, and the states before and after each."""
    states = [model.start(B, x_BTMD.device, x_BTMD.dtype)]
    outputs = []
    for t in range(x_BTMD.shape[1]):
        h_BMD, state = model.step(x_BTMD[:, t], valid_BT[:, t], states[-1])
        outputs.append(h_BMD)
        states.append(state)
    return torch.stack(outputs, dim=1), states


def reach(model, valid_BT):
    """Returns whether h of a chunk (row) moves with x of a chunk (column), by gradient: [T, T]."""
    x_BTMD = inputs(valid_BT.shape[1]).requires_grad_()
    h_BTMD = model(x_BTMD, valid_BT)
    rows = []
    for t in range(h_BTMD.shape[1]):
        (gradient,) = torch.autograd.grad(h_BTMD[:, t, :, 0].sum(), x_BTMD, retain_graph=True)
        rows.append(gradient.abs().amax(dim=(0, 2, 3)) > 0)
    return torch.stack(rows).int().tolist()


def test_banded_chunk_mask_as_drawn():
    assert banded_chunk_mask(3, 2, 2).int().tolist() == [
        [1, 1, 0, 0, 0, 0],
        [1, 1, 0, 0, 0, 0],
        [1, 1, 1, 1, 0, 0],
        [1, 1, 1, 1, 0, 0],
        [0, 0, 1, 1, 1, 1],
        [0, 0, 1, 1, 1, 1],
    ]
    assert torch.equal(banded_chunk_mask(4, 3, 4), chunk_causal_mask(4, 3))


def test_without_a_window_a_chunk_sees_all_earlier_ones_and_no_later_one():
    everything = torch.ones(B, 4, dtype=torch.bool)
    assert reach(build(layers=1), everything) == [
        [1, 0, 0, 0],
        [1, 1, 0, 0],
        [1, 1, 1, 0],
        [1, 1, 1, 1],
    ]


def test_a_window_is_a_band_that_each_block_widens():
    everything = torch.ones(B, 4, dtype=torch.bool)
    assert reach(build(layers=1, window=2), everything) == [
        [1, 0, 0, 0],
        [1, 1, 0, 0],
        [0, 1, 1, 0],
        [0, 0, 1, 1],
    ]
    assert reach(build(layers=2, window=2), everything) == [
        [1, 0, 0, 0],
        [1, 1, 0, 0],
        [1, 1, 1, 0],
        [0, 1, 1, 1],
    ]


def test_an_invalid_chunk_reaches_none_but_itself():
    holes = torch.tensor([True, False, True, True]).expand(B, -1)
    assert reach(build(), holes) == [
        [1, 0, 0, 0],
        [1, 1, 0, 0],
        [1, 0, 1, 0],
        [1, 0, 1, 1],
    ]


@pytest.mark.parametrize("valid_BT", [torch.ones(B, T, dtype=torch.bool), VALID_BT])
@pytest.mark.parametrize("window", WINDOWS)
def test_steps_equal_the_whole_pass(window, valid_BT):
    model, x_BTMD = build(window=window), inputs()
    streamed, _ = stream(model, x_BTMD, valid_BT)
    torch.testing.assert_close(streamed, model(x_BTMD, valid_BT), rtol=0, atol=1e-12)
    assert streamed.isfinite().all()


def test_a_window_that_covers_the_clip_changes_nothing():
    x_BTMD = inputs()
    torch.testing.assert_close(
        build(window=T)(x_BTMD, VALID_BT), build()(x_BTMD, VALID_BT), rtol=0, atol=0
    )


@pytest.mark.parametrize(
    ("window", "tokens"), [(None, [0, 3, 6, 9, 12, 15]), (1, [0] * 6), (3, [6] * 6)]
)
def test_what_a_stream_keeps_grows_without_a_window_alone(window, tokens):
    _, states = stream(build(window=window), inputs(), VALID_BT)
    assert [state.valid_BL.shape[1] for state in states] == tokens
    for state, count in zip(states, tokens, strict=True):
        assert [pair[0].shape for pair in state.seen] == [(B, 2, count, D // 2)] * 2
        assert [pair[1].shape for pair in state.seen] == [(B, 2, count, D // 2)] * 2
    assert [state.number_11.item() for state in states] == list(range(T + 1))


def test_two_streams_from_one_state_do_not_disturb_each_other():
    model, x_BTMD = build(window=2), inputs()
    everything = torch.ones(B, dtype=torch.bool)
    _, state = model.step(x_BTMD[:, 0], everything, model.start(B, "cpu", torch.float64))
    first, _ = model.step(x_BTMD[:, 1], everything, state)
    model.step(x_BTMD[:, 2], everything, state)
    again, _ = model.step(x_BTMD[:, 1], everything, state)
    assert torch.equal(first, again)


@pytest.mark.parametrize("mask_chunks", [False, True])
def test_masking_takes_its_share_of_tokens_or_of_whole_chunks(mask_chunks):
    latent = build(tokens=10, mask_ratio=0.3, mask_chunks=mask_chunks).train()
    masked_BTM = (latent._mask(torch.zeros(40, 50, 10, D).double()) != 0).all(-1)
    assert 0.26 < masked_BTM.double().mean() < 0.34
    whole_BT = masked_BTM.all(-1) | ~masked_BTM.any(-1)
    assert bool(whole_BT.all()) == mask_chunks


def test_a_masked_chunk_hides_what_was_in_it():
    latent = build(mask_ratio=0.5, mask_chunks=True).train()
    x_BTMD = inputs().requires_grad_()
    everything = torch.ones(B, T, dtype=torch.bool)
    torch.manual_seed(2)
    masked_BT = torch.rand(B, T, dtype=torch.float64) < 0.5
    assert masked_BT.any() and not masked_BT.all()
    torch.manual_seed(2)
    (gradient,) = torch.autograd.grad(latent(x_BTMD, everything)[..., 0].sum(), x_BTMD)
    assert torch.equal(gradient.abs().amax(dim=(2, 3)) == 0, masked_BT)


def test_nothing_is_masked_in_evaluation():
    x_BTMD = inputs()
    everything = torch.ones(B, T, dtype=torch.bool)
    masking, plain = build(mask_ratio=0.9, mask_chunks=True), build()
    assert torch.equal(masking(x_BTMD, everything), plain(x_BTMD, everything))


def test_switches_add_no_parameters():
    switched = build(window=2, mask_chunks=True).state_dict()
    assert switched.keys() == build().state_dict().keys()
    assert {name for name in switched if "transformer" not in name} == {"slot_MD", "mask_D"}


@pytest.mark.parametrize("window", [0, -1, 1.5])
def test_a_window_without_its_own_chunk_is_refused(window):
    with pytest.raises(ValueError, match=rf"LatentModel.window is {window}"):
        build(window=window)


@pytest.mark.parametrize("ratio", [-0.1, 1.0])
def test_a_ratio_that_is_none_is_refused(ratio):
    with pytest.raises(ValueError, match=rf"LatentModel.mask_ratio is {ratio}.*\[0, 1\)"):
        build(mask_ratio=ratio)
