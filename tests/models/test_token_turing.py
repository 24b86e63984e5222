"""The Token Turing Machine against numpy, written from the equations of arXiv 2211.09119."""

import math

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from mirasol.models.combiners import TransformerCombiner
from mirasol.models.token_learner import TokenLearner, join
from mirasol.models.token_turing import TokenTuringCombiner, TuringState

B, T, N, M, X, D = 2, 4, 7, 3, 5, 12
erf = np.vectorize(math.erf)


def build(**changes):
    torch.manual_seed(0)
    arguments = {
        "width": D,
        "heads": 2,
        "layers": 2,
        "out_tokens": M,
        "memory_tokens": X,
        "hidden": 6,
        **changes,
    }
    combiner = TokenTuringCombiner(**arguments).double().eval()
    with torch.no_grad():  # Scores and positions loud enough that a wrong one shows.
        for parameter in combiner.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.5)
    return combiner


def random_tokens(chunks=T):
    generator = torch.Generator().manual_seed(1)
    return torch.randn(B, chunks, N, D, dtype=torch.float64, generator=generator)


def some_valid():
    valid = torch.rand(B, T, N, generator=torch.Generator().manual_seed(2)) < 0.6
    valid[1, 0::2] = False
    return valid


def learn_tokens(v, p):
    """S_k(V) = softmax over tokens of MLP_k(LN(V)), transposed, times V. All of V is valid."""
    normal = (v - v.mean(-1, keepdims=True)) / np.sqrt(v.var(-1, keepdims=True) + 1e-5)
    normal = normal * p["norm.weight"] + p["norm.bias"]
    hidden = normal @ p["score.0.weight"].T + p["score.0.bias"]
    hidden = hidden * (1 + erf(hidden / math.sqrt(2))) / 2
    weights = np.exp(hidden @ p["score.2.weight"].T)
    return (weights / weights.sum(0)).T @ v


def numpy_parameters(module):
    return {key: value.detach().numpy() for key, value in module.named_parameters()}


def time_stamp(chunk):
    frequencies = 10_000.0 ** -(np.arange(D // 2) / (D // 2))
    return np.r_[np.sin(chunk * frequencies), np.cos(chunk * frequencies)]


def reference(combiner, tokens, valid):
    """One clip, chunk by chunk; what is not valid is left out."""
    p = numpy_parameters(combiner)
    read, write = numpy_parameters(combiner.read), numpy_parameters(combiner.write)
    memory, x = np.zeros((X, D)), []
    for t in range(len(tokens)):
        stamp = time_stamp(t) if combiner.time_stamps else 0.0
        there = valid[t].nonzero()[0]
        chunk = tokens[t, there] + stamp
        # One row of positions serves all tokens, or each has its own.
        place = there if len(p["read_input_ND"]) > 1 else np.zeros_like(there)
        z = learn_tokens(
            np.concatenate([memory + p["read_memory_XD"], chunk + p["read_input_ND"][place]]), read
        )
        o = combiner.process(torch.tensor(z)[None])[0].detach().numpy()
        memory = learn_tokens(
            np.concatenate(
                [
                    memory + p["write_memory_XD"],
                    chunk + p["write_input_ND"][place],
                    o + stamp + p["write_output_MD"],
                ]
            ),
            write,
        )
        x.append(o @ p["out.weight"].T + p["out.bias"])
    return np.stack(x), memory


def test_token_learner_is_a_softmax_over_tokens():
    torch.manual_seed(0)
    learner = TokenLearner(D, M, 6).double()
    tokens = random_tokens()[:, 0]
    got = join(learner(tokens)).detach().numpy()
    for b in range(B):
        want = learn_tokens(tokens[b].numpy(), numpy_parameters(learner))
        np.testing.assert_allclose(got[b], want, atol=1e-10)


def test_parts_joined_are_the_whole():
    torch.manual_seed(0)
    learner = TokenLearner(D, M, 6).double()
    tokens, valid = random_tokens()[:, 0], some_valid()[:, 0]
    valid[:, 0] = True  # One part at least has something.
    parts = [(0, 1), (1, 4), (4, 7)]
    joined = join(*(learner(tokens[:, a:b], valid[:, a:b]) for a, b in parts))
    torch.testing.assert_close(joined, join(learner(tokens, valid)))


@pytest.mark.parametrize("time_stamps", [True, False])
@pytest.mark.parametrize("in_tokens", [None, N])
def test_a_clip_as_by_the_equations(in_tokens, time_stamps):
    combiner = build(in_tokens=in_tokens, time_stamps=time_stamps)
    tokens, valid = random_tokens(), some_valid()
    got = combiner(tokens, valid).detach().numpy()
    state = combiner.start(B, "cpu", torch.float64)
    assert (state.memory_BXD == 0).all()
    for t in range(T):
        _, state = combiner.step(tokens[:, t], valid[:, t], state)
    for b in range(B):
        x, memory = reference(combiner, tokens[b].numpy(), valid[b].numpy())
        # The stamps are float32.
        np.testing.assert_allclose(got[b], x, atol=1e-6)
        np.testing.assert_allclose(state.memory_BXD[b].detach().numpy(), memory, atol=1e-6)


def test_a_chunk_without_tokens_still_passes_the_memory_on():
    combiner, tokens = build(), random_tokens().requires_grad_()
    valid = torch.ones(B, T, N, dtype=torch.bool)
    valid[:, 1:3] = False
    x_BTMD = combiner(tokens, valid)
    (gradient,) = torch.autograd.grad(x_BTMD[:, 3].pow(3).sum(), tokens)
    reach = (gradient.abs().amax(dim=(0, 2, 3)) > 0).tolist()
    assert reach == [True, False, False, True]


def test_memory_stays_finite_over_a_long_clip_of_nothing():
    combiner = build()
    tokens = torch.full((B, 100, N, D), torch.inf, dtype=torch.float64)
    x_BTMD = combiner(tokens, torch.zeros(B, 100, N, dtype=torch.bool))
    assert x_BTMD.isfinite().all()


@pytest.mark.parametrize("time_stamps", [True, False])
def test_time_stamps_tell_when_a_chunk_came(time_stamps):
    combiner = build(time_stamps=time_stamps)
    memory, tokens = torch.zeros(B, X, D, dtype=torch.float64), random_tokens()[:, 0]
    valid = torch.ones(B, N, dtype=torch.bool)
    early, late = (
        combiner.step(tokens, valid, TuringState(memory, torch.tensor(chunk))) for chunk in (0, 9)
    )
    assert torch.equal(early[0], late[0]) != time_stamps
    assert torch.equal(early[1].memory_BXD, late[1].memory_BXD) != time_stamps


def test_a_later_chunk_costs_no_more():
    def cost(combiner, chunks):
        tokens = random_tokens(chunks).to("meta")
        with FlopCounterMode(display=False) as counter:
            combiner(tokens, torch.ones(B, chunks, N, dtype=torch.bool, device="meta"))
        return counter.get_total_flops()

    turing = build().to("meta")
    assert cost(turing, 16) == 8 * cost(turing, 2)
    sizes = {"width": D, "layers": 2, "heads": 2, "out_tokens": M}
    transformer = TransformerCombiner(**sizes).double().to("meta")
    assert cost(transformer, 16) > 10 * cost(transformer, 2)


def test_memory_keeps_its_dtype_from_chunk_to_chunk():
    combiner = build().bfloat16()
    state = combiner.start(B, "cpu", torch.bfloat16)
    tokens = random_tokens()[:, 0].bfloat16()
    x_BMD, state = combiner.step(tokens, torch.ones(B, N, dtype=torch.bool), state)
    assert x_BMD.dtype == state.memory_BXD.dtype == torch.bfloat16
