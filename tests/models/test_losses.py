"""Losses and measures against numpy, and the weights of the two presets."""

import dataclasses

import numpy as np
import pytest
import torch

from mirasol import config
from mirasol.models.losses import (
    LossWeights,
    cosine_loss,
    latent_loss,
    latent_spread,
    masked_mean,
    text_loss,
)
from tests.models.builders import build_model, random_batch

B, T, M, D = 3, 4, 2, 6
VALID = np.array([[1, 1, 1, 1], [1, 0, 0, 1], [0, 0, 0, 0]], bool)


def numbers(*sizes):
    return np.random.default_rng(0).normal(size=sizes)


def spread(x_BTMD, valid_BT):
    """By its definition, feature by feature."""
    deviations = []
    for m in range(x_BTMD.shape[2]):
        chunks = [x_BTMD[b, t, m] for b, t in zip(*np.nonzero(valid_BT), strict=True)]
        units = np.array([chunk / np.linalg.norm(chunk) for chunk in chunks])
        deviations += [np.std(units[:, d]) for d in range(x_BTMD.shape[3])]
    return np.mean(deviations)


def test_masked_mean_is_the_mean_of_what_is_valid():
    values = numbers(B, T)
    got = masked_mean(torch.tensor(values), torch.tensor(VALID))
    assert got.item() == pytest.approx(values[VALID].mean())
    assert masked_mean(torch.tensor(values), torch.zeros(B, T, dtype=torch.bool)) == 0


def test_cosine_loss_is_the_mean_of_one_minus_cosine():
    p, q = numbers(2, B, T, D)
    cosine = (p * q).sum(-1) / np.sqrt((p**2).sum(-1) * (q**2).sum(-1))
    got = cosine_loss(torch.tensor(p), torch.tensor(q), torch.tensor(VALID))
    assert got.item() == pytest.approx((1 - cosine)[VALID].mean(), rel=1e-5)
    assert got.dtype == torch.float32


def test_cosine_loss_knows_directions_alone():
    p = torch.tensor(numbers(B, T, D))
    valid = torch.ones(B, T, dtype=torch.bool)
    assert cosine_loss(p, 7 * p, valid).item() == pytest.approx(0, abs=1e-6)
    assert cosine_loss(p, -p / 7, valid).item() == pytest.approx(2)
    assert cosine_loss(p, 0 * p, valid).item() == pytest.approx(1)


def test_losses_of_nothing_are_zero_and_have_gradients_of_zero():
    h_BTMD = torch.tensor(numbers(B, T, M, D), requires_grad=True)
    nothing = torch.zeros(B, T, dtype=torch.bool)
    one_chunk = latent_loss(h_BTMD[:, :1], h_BTMD[:, :1], torch.ones(B, 1, dtype=torch.bool))
    batch = random_batch()
    logits = torch.zeros(*batch.answer_BQR.shape, 23, requires_grad=True)
    no_question = text_loss(logits, batch.answer_BQR, torch.zeros_like(batch.question_BQ))
    total = latent_loss(h_BTMD, h_BTMD.flip(1), nothing) + one_chunk + no_question
    total.backward()
    assert total == 0
    assert (h_BTMD.grad == 0).all() and (logits.grad == 0).all()


def test_latent_spread_is_the_mean_deviation_of_directions():
    x = numbers(B, T, M, D)
    got = latent_spread(torch.tensor(x), torch.tensor(VALID))
    assert got.item() == pytest.approx(spread(x, VALID), rel=1e-5)
    assert (got.dtype, got.shape) == (torch.float32, ())


def test_latent_spread_leaves_out_invalid_chunks():
    x = numbers(B, T, M, D)
    other = np.where(VALID[..., None, None], x, 100.0)
    valid = torch.tensor(VALID)
    assert latent_spread(torch.tensor(x), valid) == latent_spread(torch.tensor(other), valid)


def test_latent_spread_tells_collapse_from_spread():
    everything = torch.ones(200, T, dtype=torch.bool)
    # The M tokens may differ from one another, and lengths may: directions of chunks do not.
    collapsed = np.broadcast_to(numbers(M, D), (200, T, M, D)) * np.abs(numbers(200, T, 1, 1))
    assert latent_spread(torch.tensor(collapsed), everything) < 1e-6
    even = latent_spread(torch.tensor(numbers(200, T, M, D)), everything).item()
    assert 0.97 / np.sqrt(D) < even <= 1 / np.sqrt(D)


@pytest.mark.parametrize("valid_chunks", [0, 1])
def test_latent_spread_of_too_few_chunks_is_zero(valid_chunks):
    valid = torch.zeros(B, T, dtype=torch.bool)
    valid[0, :valid_chunks] = True
    assert latent_spread(torch.tensor(numbers(B, T, M, D)), valid) == 0


def test_the_model_returns_the_spread_of_x_and_it_moves_nothing():
    model, batch = build_model().eval(), random_batch()
    some = torch.tensor([[True, True, False], [True, True, True]])
    batch = dataclasses.replace(batch, has_video_BT=some, has_audio_BT=some)
    values = model(batch)
    x_BTMD = model.encode(batch).x_BTMD.detach().double().numpy()
    want = spread(x_BTMD, some.numpy())
    assert values["latent_spread"].item() == pytest.approx(want, rel=1e-4)
    assert not values["latent_spread"].requires_grad


def test_unless_told_all_losses_count_alike():
    assert dataclasses.astuple(LossWeights()) == (1.0, 1.0, 1.0)


@pytest.mark.parametrize(
    ("preset", "weights"),
    [("pretraining", (1.0, 1.0, 1.0)), ("finetuning", (10.0, 1.0, 1.0))],
)
def test_presets_hold_the_weights_of_the_paper(preset, weights):
    experiment = config.load(["runs/av_shapes_tiny.gin", f"presets/{preset}.gin"]).build()
    assert dataclasses.astuple(experiment.build_model("meta").loss_weights) == weights


def test_label_smoothing_spreads_probability_over_all_tokens():
    logits_BQRV = torch.randn(2, 3, 4, 5)
    answer_BQR = torch.randint(1, 5, (2, 3, 4))
    question_BQ = torch.tensor([[True, True, False], [True, False, True]])
    logp = logits_BQRV.log_softmax(-1)[question_BQ]
    wanted = torch.nn.functional.one_hot(answer_BQR, 5).float()[question_BQ] * 0.8 + 0.2 / 5
    smooth = text_loss(logits_BQRV, answer_BQR, question_BQ, 0.2)
    torch.testing.assert_close(smooth, -(wanted * logp).sum(-1).mean())
    plain = text_loss(logits_BQRV, answer_BQR, question_BQ)
    assert torch.equal(plain, text_loss(logits_BQRV, answer_BQR, question_BQ, 0.0))
    assert plain != smooth
