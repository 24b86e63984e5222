"""Beam search: several answers to a question at once, of which the best is given.

The letters are those of generation.py: X questions, Z beams, Y = X * Z rows, E = 2 * Z
continuations.
"""

from __future__ import annotations

import dataclasses
import math

import torch
from torch.nn import functional

from mirasol.batch import EOS_ID, PAD_ID
from mirasol.models.decoder import Memory, TextDecoder
from mirasol.models.generation import Strategy
from mirasol.numbers import require_positive


@dataclasses.dataclass(frozen=True)
class Hypotheses:
    """Answers to each question, best first.

    Attributes:
      tokens_XZR: int64, padded; leading dimensions as the one who gives them says.
      score_XZ: float32; -inf where there is no hypothesis.
    """

    tokens_XZR: torch.Tensor
    score_XZ: torch.Tensor


@dataclasses.dataclass(frozen=True, kw_only=True)
class Beam(Strategy):
    """Keeps the best `width` unfinished answers a question, and the best finished ones.

    In each step the best continuations of the unfinished are ranked. Of the first `width`, those
    that end (with the end token, or with the last of R tokens) join the finished, scored

        sum of log p / (tokens, the end token with them) ^ length_penalty;

    of all, the best `width` that do not end go on. Once `width` are finished, a question has its
    answer; so with a width of 1 this is Greedy. Where fewer answers exist than the width, all are
    tried. The rows of a clip share its keys and values however many beams there are.

    Args:
      width: Z, unfinished answers kept.
      length_penalty: 0 favours short answers, 1 compares the means over tokens. The paper does not
        state how it decodes.

    Raises:
      ValueError: a width below 1, or a length_penalty that is below 0 or not finite.
    """

    width: int = 4
    length_penalty: float = 1.0

    def __post_init__(self) -> None:
        require_positive("Beam", width=self.width)
        if not 0 <= self.length_penalty < math.inf:
            raise ValueError(
                f"Beam.length_penalty is {self.length_penalty!r}; it must be finite, 0 or above"
            )

    def write(
        self, decoder: TextDecoder, memory: Memory, prompt_BQP: torch.Tensor, length: int
    ) -> torch.Tensor:
        """See Strategy."""
        best = self.search(decoder, memory, prompt_BQP, length).tokens_XZR[:, 0]
        return best.unflatten(0, prompt_BQP.shape[:2])

    def search(
        self, decoder: TextDecoder, memory: Memory, prompt_BQP: torch.Tensor, length: int
    ) -> Hypotheses:
        """Returns the finished answers of each question, X = B * Q; arguments as of `write`."""
        Z = self.width
        cache = decoder.prefill(memory, prompt_BQP, length)
        first_X1 = torch.arange(cache.visible_XL.shape[0], device=prompt_BQP.device)[:, None]
        cache = cache.rows(first_X1.repeat_interleave(Z))
        going, finished = _start(first_X1.expand(-1, Z), length)
        token_XZ = torch.full_like(going.tokens_XZR[..., 0], PAD_ID)
        number_1 = torch.zeros_like(cache.slot_1)
        for _ in range(length):
            logits_YV, cache = decoder.step(memory, cache, token_XZ.flatten())
            found, parent_XE = _continuations(going, logits_YV, number_1)
            finished = self._finish(finished, found, number_1)
            going, chosen_XZ = _best(_unless(_written(found, number_1) == EOS_ID, found), Z)
            token_XZ = _written(going, number_1)
            parent_XZ = parent_XE.gather(1, chosen_XZ)
            cache = cache.rows((first_X1 * Z + parent_XZ).flatten())
            number_1 = number_1 + 1
        absent_XZ1 = (finished.score_XZ == -torch.inf)[..., None]
        return Hypotheses(finished.tokens_XZR.masked_fill(absent_XZ1, PAD_ID), finished.score_XZ)

    def _finish(
        self, finished: Hypotheses, found: Hypotheses, number_1: torch.Tensor
    ) -> Hypotheses:
        """Returns the best finished answers, with those that end now."""
        _, E, R = found.tokens_XZR.shape
        ends_XE = (_written(found, number_1) == EOS_ID) | (number_1 == R - 1)
        in_beam_E = torch.arange(E, device=number_1.device) < self.width
        # Best first, so the last place is the last to be filled.
        full_X1 = finished.score_XZ[:, -1:] > -torch.inf
        length_1 = (number_1 + 1).to(found.score_XZ.dtype)
        scored = Hypotheses(found.tokens_XZR, found.score_XZ / length_1**self.length_penalty)
        scored = _unless(~(ends_XE & in_beam_E & ~full_X1), scored)
        both = Hypotheses(
            torch.cat([finished.tokens_XZR, scored.tokens_XZR], dim=1),
            torch.cat([finished.score_XZ, scored.score_XZ], dim=1),
        )
        return _best(both, self.width)[0]


def _start(row_XZ: torch.Tensor, length: int) -> tuple[Hypotheses, Hypotheses]:
    """Returns one empty answer a question that goes on (the other beams are none yet), and none."""
    tokens_XZR = torch.full_like(row_XZ, PAD_ID)[..., None].repeat(1, 1, length)
    nothing_XZ = torch.full_like(row_XZ, -torch.inf, dtype=torch.float32)
    first_Z = torch.arange(row_XZ.shape[1], device=row_XZ.device) == 0
    return (
        Hypotheses(tokens_XZR, nothing_XZ.masked_fill(first_Z, 0.0)),
        Hypotheses(tokens_XZR, nothing_XZ),
    )


def _continuations(
    going: Hypotheses, logits_YV: torch.Tensor, number_1: torch.Tensor
) -> tuple[Hypotheses, torch.Tensor]:
    """Returns the E best answers that are one token longer, and which beam each continues.

    At most Z of them end, one a beam: Z are left to go on.
    """
    X, Z, R = going.tokens_XZR.shape
    V = logits_YV.shape[-1]
    log_p_XZV = functional.log_softmax(logits_YV.float(), dim=-1).unflatten(0, (X, Z))
    score_XE, place_XE = (going.score_XZ[..., None] + log_p_XZV).flatten(1).topk(2 * Z)
    parent_XE = torch.div(place_XE, V, rounding_mode="floor")
    tokens_XER = going.tokens_XZR.gather(1, parent_XE[..., None].expand(-1, -1, R))
    tokens_XER = tokens_XER.index_copy(2, number_1, (place_XE - V * parent_XE)[..., None])
    return Hypotheses(tokens_XER, score_XE), parent_XE


def _written(answers: Hypotheses, number_1: torch.Tensor) -> torch.Tensor:
    """Returns the token of each answer in the given place: [X, Z]."""
    return answers.tokens_XZR.index_select(2, number_1)[..., 0]


def _unless(out_XZ: torch.Tensor, answers: Hypotheses) -> Hypotheses:
    """Returns the answers without those marked."""
    return Hypotheses(answers.tokens_XZR, answers.score_XZ.masked_fill(out_XZ, -torch.inf))


def _best(answers: Hypotheses, count: int) -> tuple[Hypotheses, torch.Tensor]:
    """Returns the best answers, best first, and where they were."""
    score_XZ, place_XZ = answers.score_XZ.topk(count)
    place_XZR = place_XZ[..., None].expand(-1, -1, answers.tokens_XZR.shape[2])
    return Hypotheses(answers.tokens_XZR.gather(1, place_XZR), score_XZ), place_XZ
