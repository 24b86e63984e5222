"""Beam search, against exhaustive search and against a search with lists that knows no cache."""

import itertools

import numpy as np
import pytest
import torch

from mirasol.batch import EOS_ID, PAD_ID
from mirasol.models.beam import Beam
from mirasol.models.generation import Greedy
from tests.models.decoders import B, P, Q, R, Uncached, ask, build_decoder


def beam_answers(decoder, width, length, length_penalty):
    """Returns the finished answers of each question as tuples with their scores."""
    memory, prompt_BQP = ask(decoder)
    beam = Beam(width=width, length_penalty=length_penalty)
    found = beam.search(decoder, memory, prompt_BQP, length)
    best_BQR = beam.write(decoder, memory, prompt_BQP, length)
    assert torch.equal(best_BQR.flatten(0, 1), found.tokens_XZR[:, 0])
    return found.tokens_XZR.numpy(), found.score_XZ.numpy()


def check_answers(found, row, expected, length):
    """Compares with tuples and scores, best first; places that are left over hold nothing."""
    tokens_ZR, score_Z = found[0][row], found[1][row]
    padded = [[*tokens, *[PAD_ID] * (length - len(tokens))] for tokens, _ in expected]
    assert tokens_ZR[: len(expected)].tolist() == padded
    scores = [score for _, score in expected]
    np.testing.assert_allclose(score_Z[: len(expected)], scores, rtol=1e-4, atol=1e-4)
    assert (tokens_ZR[len(expected) :] == PAD_ID).all()
    assert (score_Z[len(expected) :] == -np.inf).all()


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_beam_of_one_is_greedy(seed):
    decoder = build_decoder(seed=seed)
    memory, prompt_BQP = ask(decoder)
    greedy = Greedy().write(decoder, memory, prompt_BQP, R)
    assert torch.equal(Beam(width=1).write(decoder, memory, prompt_BQP, R), greedy)


@pytest.mark.parametrize("length_penalty", [0.0, 1.0])
def test_a_beam_that_covers_all_is_exhaustive_search(length_penalty):
    vocabulary, length, width = 4, 3, 45
    decoder = build_decoder(vocabulary)
    log_p = Uncached(decoder, length)
    answers = [
        tokens
        for n in range(1, length + 1)
        for tokens in itertools.product(range(vocabulary), repeat=n)
        if EOS_ID not in tokens[:-1] and (tokens[-1] == EOS_ID or n == length)
    ]
    assert len(answers) == 40
    found = beam_answers(decoder, width, length, length_penalty)
    for row in range(B * Q):
        scored = []
        for tokens in answers:
            total = sum(log_p(tokens[:n])[row, token] for n, token in enumerate(tokens))
            scored.append((tokens, total / len(tokens) ** length_penalty))
        check_answers(found, row, sorted(scored, key=lambda item: -item[1]), length)


def reference_beams(log_p, row, width, length, length_penalty):
    """Beam search with lists."""
    going, finished = [((), 0.0)], []
    for n in range(1, length + 1):
        found = [
            ((*tokens, token), score + step)
            for tokens, score in going
            for token, step in enumerate(log_p(tokens)[row])
        ]
        found = sorted(found, key=lambda item: -item[1])[: 2 * width]
        ends = [item[0][-1] == EOS_ID for item in found]
        if len(finished) < width:
            for (tokens, score), end in zip(found[:width], ends[:width], strict=True):
                if end or n == length:
                    finished.append((tokens, score / n**length_penalty))
        going = [item for item, end in zip(found, ends, strict=True) if not end][:width]
    return sorted(finished, key=lambda item: -item[1])[:width]


@pytest.mark.parametrize(("width", "length_penalty"), [(2, 1.0), (3, 0.0), (3, 0.7)])
def test_beams_agree_with_a_search_with_lists(width, length_penalty):
    decoder = build_decoder()
    log_p = Uncached(decoder)
    found = beam_answers(decoder, width, R, length_penalty)
    for row in range(B * Q):
        check_answers(found, row, reference_beams(log_p, row, width, R, length_penalty), R)
    memory, prompt_BQP = ask(decoder)
    greedy = Greedy().write(decoder, memory, prompt_BQP, R).flatten(0, 1)
    assert not np.array_equal(found[0][:, 0], greedy.numpy())


def test_beams_share_the_clip():
    decoder = build_decoder()
    memory, prompt_BQP = ask(decoder)
    shapes = []
    for block in decoder.blocks:
        block.cross_attention.register_forward_pre_hook(
            lambda _, inputs: shapes.append((inputs[0].shape[:2], inputs[1][0].shape[0]))
        )
    Beam(width=5).write(decoder, memory, prompt_BQP, R)
    assert set(shapes) == {((B, Q * P), B), ((B, Q * 5), B)}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"width": 0}, r"Beam.width is 0; .* above 0"),
        ({"length_penalty": -0.5}, r"Beam.length_penalty is -0.5; .*0 or above"),
    ],
)
def test_settings_that_mean_nothing_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Beam(**arguments)
