"""How an answer is written: the most likely token each time, or a drawn one; beams: beam.py.

A strategy is an object that gets the decoder, the clips and the questions. Here and in beam.py

    X  questions, B * Q        Z  hypotheses that a question keeps (its beams)
    Y  rows, X * Z             E  their best continuations, 2 * Z

The paper does not state how its answers are written. Padding is a token like any other while an
answer goes on: no target of training is padding, so a trained decoder does not write it.
"""

from __future__ import annotations

import abc
import dataclasses
import math
from collections.abc import Callable

import torch

from mirasol.batch import EOS_ID, PAD_ID
from mirasol.models.decoder import Memory, TextDecoder
from mirasol.models.noise import uniform_numbers
from mirasol.numbers import require_positive

Choose = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""(logits_XV, number of the token in the answer, int64 [1]) -> token_X."""


class Strategy(abc.ABC):
    """Writes answers."""

    @abc.abstractmethod
    def write(
        self, decoder: TextDecoder, memory: Memory, prompt_BQP: torch.Tensor, length: int
    ) -> torch.Tensor:
        """Writes one answer to each question.

        Args:
          decoder: in evaluation mode, as a rule.
          memory: of the clips.
          prompt_BQP: int64.
          length: R, tokens at most, with the end token.

        Returns:
          int64 [B, Q, R]: answer tokens, the end token, then padding.
        """


@dataclasses.dataclass(frozen=True)
class Greedy(Strategy):
    """Takes the most likely token each time."""

    def write(
        self, decoder: TextDecoder, memory: Memory, prompt_BQP: torch.Tensor, length: int
    ) -> torch.Tensor:
        """See Strategy."""
        return write_tokens(decoder, memory, prompt_BQP, length, _most_likely)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sampling(Strategy):
    """Draws each token from the decoder's distribution, or from the likely part of it.

    A draw is a function of the seed, the question's place in the batch and the token's number: the
    same batch gets the same answers, and no generator of torch's is touched. Another seed gives
    other answers.

    Args:
      temperature: divides the logits; below 1 likely tokens gain, above 1 they lose.
      top_k: how many of the most likely tokens are left; None leaves all.
      top_p: the fewest most likely tokens that together have at least this probability are left
        (nucleus sampling, arXiv 1904.09751), of the distribution that top_k has left; None leaves
        all.
      seed: of the draws, 0 to 2^64 - 1.

    Raises:
      ValueError: a number is out of range.
    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.temperature < math.inf:
            raise ValueError(
                f"Sampling.temperature is {self.temperature!r}; it must be finite and above 0 "
                "(for the most likely token each time there is Greedy)"
            )
        require_positive("Sampling", top_k=self.top_k)
        if self.top_p is not None and not 0 < self.top_p <= 1:
            raise ValueError(f"Sampling.top_p is {self.top_p!r}; it must be above 0, at most 1")
        if type(self.seed) is not int or not 0 <= self.seed < 2**64:
            raise ValueError(
                f"Sampling.seed is {self.seed!r}; it must be a whole number from 0 to 2^64 - 1"
            )

    def write(
        self, decoder: TextDecoder, memory: Memory, prompt_BQP: torch.Tensor, length: int
    ) -> torch.Tensor:
        """See Strategy."""
        return write_tokens(decoder, memory, prompt_BQP, length, self.choose)

    def choose(self, logits_XV: torch.Tensor, number_1: torch.Tensor) -> torch.Tensor:
        """Draws a token a row, by inverting the cumulative distribution; see Choose."""
        probability_XV, token_XV = self.distribution(logits_XV)
        sum_XV = probability_XV.cumsum(dim=-1)
        row_X = torch.arange(logits_XV.shape[0], device=logits_XV.device)
        drawn_X = uniform_numbers(self.seed, row_X, number_1) * sum_XV[:, -1]
        rank_X = (sum_XV <= drawn_X[:, None]).sum(dim=-1)
        # Rounded up to the whole sum, a draw would fall behind the last token that is left.
        rank_X = torch.minimum(rank_X, (probability_XV > 0).sum(dim=-1) - 1)
        return token_XV.gather(1, rank_X[:, None])[:, 0]

    def distribution(self, logits_XV: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Returns what is drawn from, likely tokens first.

        Returns:
          float32 [X, V], the probabilities up to a factor a row, 0 for those not left; and
          int64 [X, V], the tokens that have them.
        """
        logit_XV, token_XV = (logits_XV.float() / self.temperature).sort(dim=-1, descending=True)
        rank_V = torch.arange(logit_XV.shape[-1], device=logit_XV.device)
        if self.top_k is not None:
            logit_XV = logit_XV.masked_fill(rank_V >= self.top_k, -torch.inf)
        probability_XV = logit_XV.softmax(dim=-1)
        if self.top_p is not None:
            better_XV = probability_XV.cumsum(dim=-1) - probability_XV
            dropped_XV = (better_XV >= self.top_p) & (rank_V > 0)
            probability_XV = probability_XV.masked_fill(dropped_XV, 0.0)
        return probability_XV, token_XV


GREEDY = Greedy()


def _most_likely(logits_XV: torch.Tensor, number_1: torch.Tensor) -> torch.Tensor:
    return logits_XV.argmax(dim=-1)


def write_tokens(
    decoder: TextDecoder, memory: Memory, prompt_BQP: torch.Tensor, length: int, choose: Choose
) -> torch.Tensor:
    """Writes answers token by token; an answer that has ended goes on in padding.

    Every step runs, ended answers or not, and has the same shapes: on XLA it is one graph.

    Returns:
      int64 [B, Q, length].
    """
    cache = decoder.prefill(memory, prompt_BQP, length)
    token_X = torch.full_like(prompt_BQP[..., 0].flatten(), PAD_ID)
    going_X = torch.ones_like(token_X, dtype=torch.bool)
    number_1 = torch.zeros_like(cache.slot_1)
    written = []
    for _ in range(length):
        logits_XV, cache = decoder.step(memory, cache, token_X)
        token_X = torch.where(going_X, choose(logits_XV, number_1), PAD_ID)
        going_X = going_X & (token_X != EOS_ID)
        number_1 = number_1 + 1
        written.append(token_X)
    return torch.stack(written, dim=1).unflatten(0, prompt_BQP.shape[:2])
