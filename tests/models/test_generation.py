"""Writing answers token by token and scoring given ones; beams: test_beam.py."""

import numpy as np
import pytest
import torch

from mirasol.batch import EOS_ID, PAD_ID
from mirasol.models.beam import Beam
from mirasol.models.generation import Greedy, Sampling
from mirasol.models.noise import threefry, uniform_numbers
from mirasol.models.text_layout import prefix_mask, text_positions, up_to_end
from tests.models.builders import SHAPE, build_model, random_batch
from tests.models.decoders import B, P, Q, R, ask, build_decoder
from tests.models.tracing import Trace


def test_responses_side_by_side_as_drawn():
    prompt_XP = torch.tensor([[5, 6, 0]])
    assert prefix_mask(prompt_XP, 2, 2)[0].int().tolist() == [
        [1, 1, 0, 0, 0, 0, 0],
        [1, 1, 0, 0, 0, 0, 0],
        [1, 1, 1, 0, 0, 0, 0],
        [1, 1, 0, 1, 0, 0, 0],
        [1, 1, 0, 1, 1, 0, 0],
        [1, 1, 0, 0, 0, 1, 0],
        [1, 1, 0, 0, 0, 1, 1],
    ]
    assert text_positions(prompt_XP, 2, 2).tolist() == [[0, 1, 2, 2, 3, 2, 3]]
    assert up_to_end(torch.tensor([5, 0, 1, 6, 1])).tolist() == [True, False, True, False, False]


LIKE_GPT2 = {
    "activation": "gelu_tanh",
    "embedding_scale": 1.0,
    "max_positions": P + R,
    "causal_prompt": True,
}


@pytest.mark.parametrize("changes", [{}, LIKE_GPT2], ids=["as it is", "like GPT-2"])
def test_steps_with_a_cache_give_the_logits_of_a_whole_pass(changes):
    decoder = build_decoder(**changes)
    memory, prompt_BQP = ask(decoder)
    answer_BQR = torch.randint(2, 7, (B, Q, R), generator=torch.Generator().manual_seed(2))
    cache = decoder.prefill(memory, prompt_BQP, R)
    token_X, logits, shapes = torch.zeros(B * Q, dtype=torch.int64), [], set()
    for r in range(R):
        logits_XV, cache = decoder.step(memory, cache, token_X)
        logits.append(logits_XV.unflatten(0, (B, Q)))
        token_X = answer_BQR[:, :, r].flatten()
        shapes.add((*(keys.shape for keys, _ in cache.keys_values), cache.slot_1.shape))
    expected = decoder(memory, prompt_BQP, answer_BQR)
    torch.testing.assert_close(torch.stack(logits, dim=2), expected, rtol=1e-4, atol=1e-4)
    assert shapes == {((B * Q, 2, P + R, 10),) * 2 + ((1,),)}
    assert cache.slot_1.item() == P + R


def test_slots_not_yet_written_are_not_looked_at():
    decoder = build_decoder()
    memory, prompt_BQP = ask(decoder)
    cache = decoder.prefill(memory, prompt_BQP, R)
    token_X = torch.full((B * Q,), 3)
    before, _ = decoder.step(memory, cache, token_X)
    for keys, values in cache.keys_values:
        keys[:, :, P:], values[:, :, P:] = 7.0, -7.0
    torch.testing.assert_close(decoder.step(memory, cache, token_X)[0], before, rtol=0, atol=0)


def test_one_graph_serves_all_steps():
    decoder, sampling = build_decoder(), Sampling(top_k=3, top_p=0.9, seed=1)
    memory, prompt_BQP = ask(decoder)
    cache, token_X = decoder.prefill(memory, prompt_BQP, R), torch.zeros(B * Q, dtype=torch.int64)
    number_1, traces = torch.tensor([0]), []
    for _ in range(R):
        with Trace() as trace:
            logits_XV, cache = decoder.step(memory, cache, token_X)
            token_X, number_1 = sampling.choose(logits_XV, number_1), number_1 + 1
        traces.append(trace.operations)
    assert len(traces[0]) > 50
    assert all(trace == traces[0] for trace in traces)
    # Nothing comes back to the host, nothing has a size that depends on values.
    assert not [name for name, _ in traces[0] if "local_scalar" in name or "nonzero" in name]


def test_greedy_takes_what_teacher_forcing_finds_most_likely():
    decoder = build_decoder()
    memory, prompt_BQP = ask(decoder)
    ids_BQR = Greedy().write(decoder, memory, prompt_BQP, R)
    best_BQR = decoder(memory, prompt_BQP, ids_BQR).argmax(-1)
    ended_BQR = (ids_BQR == EOS_ID).cumsum(-1) - (ids_BQR == EOS_ID).long() > 0
    assert torch.equal(ids_BQR, torch.where(ended_BQR, PAD_ID, best_BQR))
    assert ended_BQR.any()
    assert len(ids_BQR.flatten(0, 1).unique(dim=0)) > 2


def test_threefry_gives_the_published_answers():
    """Known answers that come with the Random123 library, for 20 rounds of Threefry-2x32."""
    ones = 0xFFFFFFFF
    for key, place, expected in [
        ((0, 0), (0, 0), (0x6B200159, 0x99BA4EFE)),
        ((ones, ones), (ones, ones), (0x1CB996FC, 0xBB002BE7)),
        ((0x13198A2E, 0x03707344), (0x243F6A88, 0x85A308D3), (0xC4923A9C, 0x483DF7A0)),
    ]:
        words = threefry(key, *(torch.tensor([word]) for word in place))
        assert tuple(word.item() for word in words) == expected


def test_uniform_numbers_are_uniform_and_differ_by_seed_and_place():
    row, number = torch.arange(100)[:, None], torch.arange(100)
    drawn = uniform_numbers(3, row, number)
    assert drawn.min() >= 0 and drawn.max() < 1
    counts = np.histogram(drawn.numpy(), bins=20, range=(0, 1))[0]
    # Chi-square with 19 degrees of freedom: above 43.8 once in a thousand seeds.
    assert ((counts - 500) ** 2 / 500).sum() < 43.8
    assert len(drawn.unique()) > 9_990
    for other in (uniform_numbers(4, row, number), uniform_numbers(3 + 2**32, row, number)):
        assert (other != drawn).float().mean() > 0.999


def reference_distribution(logits_V, temperature, top_k, top_p):
    """Temperature, then the k best, then the fewest best that make up top_p; in float64."""
    probability = np.exp(logits_V.astype(np.float64) / temperature)
    order = np.argsort(-probability)
    if top_k is not None:
        probability[order[top_k:]] = 0
    probability /= probability.sum()
    if top_p is not None:
        total, left = 0.0, 0
        while total < top_p and left < len(order):
            total += probability[order[left]]
            left += 1
        probability[order[left:]] = 0
    return probability / probability.sum()


LOGITS = torch.tensor([[0.1, 2.0, -1.0, 1.5, 0.7], [3.0, -2.0, 2.9, 0.0, -0.5]])


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("top_k", [None, 1, 3, 9])
@pytest.mark.parametrize("top_p", [None, 0.05, 0.6, 0.9])
def test_what_is_drawn_from(temperature, top_k, top_p):
    sampling = Sampling(temperature=temperature, top_k=top_k, top_p=top_p)
    probability_XV, token_XV = sampling.distribution(LOGITS)
    found = torch.zeros_like(LOGITS).scatter(1, token_XV, probability_XV)
    expected = [reference_distribution(row, temperature, top_k, top_p) for row in LOGITS.numpy()]
    np.testing.assert_allclose(found / found.sum(-1, keepdim=True), expected, atol=1e-6)


def test_draws_come_as_often_as_they_should():
    draws = 20_000
    sampling = Sampling(temperature=1.5, top_k=4, top_p=0.9, seed=11)
    for row in LOGITS:
        tokens = sampling.choose(row.expand(draws, -1), torch.tensor([2]))
        share = np.bincount(tokens.numpy(), minlength=5) / draws
        expected = reference_distribution(row.numpy(), 1.5, 4, 0.9)
        np.testing.assert_allclose(share, expected, atol=0.015)  # Four standard deviations.
        assert (share[expected == 0] == 0).all()


def test_a_draw_at_the_very_end_is_of_a_token_that_is_left(monkeypatch):
    monkeypatch.setattr(
        "mirasol.models.generation.uniform_numbers", lambda seed, row, number: torch.ones(2)
    )
    tokens = Sampling(top_k=2).choose(LOGITS, torch.tensor([0]))
    assert tokens.tolist() == [3, 2]


def test_sampling_is_reproducible_and_leaves_the_global_generator_alone():
    decoder = build_decoder()
    memory, prompt_BQP = ask(decoder)

    def answers(seed):
        return Sampling(temperature=2.0, seed=seed).write(decoder, memory, prompt_BQP, R)

    state = torch.get_rng_state()
    first = answers(5)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(99)
    assert torch.equal(answers(5), first)
    assert not torch.equal(answers(6), first)
    ended_BQR = (first == EOS_ID).cumsum(-1) - (first == EOS_ID).long() > 0
    assert (first[ended_BQR] == PAD_ID).all()


def test_sampling_the_best_token_is_greedy():
    decoder = build_decoder()
    memory, prompt_BQP = ask(decoder)
    greedy = Greedy().write(decoder, memory, prompt_BQP, R)
    assert torch.equal(Sampling(top_k=1).write(decoder, memory, prompt_BQP, R), greedy)


def test_options_score_as_separate_passes_do():
    decoder = build_decoder()
    memory, prompt_BQP = ask(decoder)
    options_BQOR = torch.randint(2, 7, (B, Q, 4, R), generator=torch.Generator().manual_seed(3))
    options_BQOR[:, :, 0, 2:] = torch.tensor([EOS_ID, PAD_ID, PAD_ID])
    options_BQOR[:, :, 1, 3:] = torch.tensor([EOS_ID, 5])  # What follows the end counts nothing.
    options_BQOR[:, :, 2, 4] = EOS_ID
    found = decoder.score(memory, prompt_BQP, options_BQOR)
    assert found.dtype == torch.float32
    for option, length in enumerate([3, 4, 5, 5]):
        answer_BQR = options_BQOR[:, :, option]
        log_p = decoder(memory, prompt_BQP, answer_BQR).double().log_softmax(-1)
        picked = log_p.gather(-1, answer_BQR[..., None])[..., 0]
        expected = picked[..., :length].sum(-1).float()
        torch.testing.assert_close(found[:, :, option], expected, rtol=1e-4, atol=1e-4)


def test_an_option_without_tokens_is_never_the_best():
    decoder = build_decoder()
    memory, prompt_BQP = ask(decoder)
    options_BQOR = torch.tensor([[5, EOS_ID, PAD_ID], [PAD_ID] * 3]).expand(B, Q, 2, 3)
    scores = decoder.score(memory, prompt_BQP, options_BQOR)
    assert scores[..., 0].isfinite().all() and (scores[..., 1] == -torch.inf).all()


def test_the_model_answers_and_scores():
    model, batch = build_model(seed=3).eval(), random_batch()
    questions = (batch.prompt_BQP.shape[0], SHAPE.questions)
    greedy = model.generate(batch)
    assert greedy.shape == (*questions, SHAPE.answer_length)
    assert torch.equal(model.generate(batch, Greedy()), greedy)
    assert torch.equal(model.generate(batch, Beam(width=1)), greedy)
    assert model.generate(batch, Sampling(temperature=9.0, seed=2)).shape == greedy.shape
    memory = model.remember(model.encode(batch))
    options = torch.stack([batch.answer_BQR, greedy], dim=2)
    expected = model.text_decoder.score(memory, batch.prompt_BQP, options)
    torch.testing.assert_close(model.score(batch, options), expected)
    assert not model.score(batch, options).requires_grad


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Sampling(temperature=0.0), r"Sampling.temperature is 0.0.*above 0.*Greedy"),
        (lambda: Sampling(temperature=float("nan")), r"Sampling.temperature is nan"),
        (lambda: Sampling(top_k=0), r"Sampling.top_k is 0; .* above 0"),
        (lambda: Sampling(top_p=1.5), r"Sampling.top_p is 1.5; .*at most 1"),
        (lambda: Sampling(seed=-1), r"Sampling.seed is -1; .*from 0 to 2\^64"),
    ],
)
def test_settings_that_mean_nothing_are_refused(build, message):
    with pytest.raises(ValueError, match=message):
        build()
