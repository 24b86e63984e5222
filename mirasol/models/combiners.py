"""Combiners: fuse the video and audio tokens of a chunk into a few (Mirasol3B).

What a Combiner is, and the paper's own, a transformer. Those that its ablation sets beside it:
queries.py (CLS tokens, Perceiver resampler), token_turing.py (Token Turing Machine), pooling.py
(no Combiner; and means, which are not in the paper).

A token that is not valid leaves its place, not its content: every Combiner sets it to zeros, and
the transformer, which makes its outputs of the last tokens' places, to the place's fixed position.
"""

from __future__ import annotations

import abc
from typing import Any, NamedTuple

import torch
from torch import nn

from mirasol.models.chunk_masks import ChunkMasks
from mirasol.models.positions import chunk_positions, sincos_positions
from mirasol.models.transformer import KeysValues, Transformer, look_at_valid
from mirasol.numbers import require_positive


class Combiner(nn.Module, abc.ABC):
    """Maps the tokens of every chunk to M tokens a chunk, causally over chunks.

    `forward` takes a whole clip; `start` and `step` take it chunk by chunk and give the same.

    Attributes:
      out_tokens: M.
    """

    out_tokens: int

    @abc.abstractmethod
    def forward(self, tokens_BTND: torch.Tensor, valid_BTN: torch.Tensor) -> torch.Tensor:
        """Combines [B, T, N, D] to [B, T, M, D]; where `valid_BTN` is false, no effect."""

    @abc.abstractmethod
    def start(self, batch_size: int, device: torch.device | str | None, dtype: torch.dtype) -> Any:
        """Returns the state before the first chunk; what it holds is the class's own affair."""

    @abc.abstractmethod
    def step(
        self, tokens_BND: torch.Tensor, valid_BN: torch.Tensor, state: Any
    ) -> tuple[torch.Tensor, Any]:
        """Combines one chunk to [B, M, D]; returns that and the state after it."""


class ChunkCombiner(Combiner, abc.ABC):
    """Combines each chunk alone, so there is no state."""

    @abc.abstractmethod
    def combine(self, tokens_BND: torch.Tensor, valid_BN: torch.Tensor) -> torch.Tensor:
        """Combines chunks [B, N, D] to [B, M, D]; tokens that are not valid hold zeros."""

    def forward(self, tokens_BTND: torch.Tensor, valid_BTN: torch.Tensor) -> torch.Tensor:
        """Combines [B, T, N, D] to [B, T, M, D]."""
        x_XMD, _ = self.step(tokens_BTND.flatten(0, 1), valid_BTN.flatten(0, 1), None)
        return x_XMD.unflatten(0, valid_BTN.shape[:2])

    def start(self, batch_size: int, device: torch.device | str | None, dtype: torch.dtype) -> None:
        """Returns None."""

    def step(
        self, tokens_BND: torch.Tensor, valid_BN: torch.Tensor, state: None
    ) -> tuple[torch.Tensor, None]:
        """Combines one chunk to [B, M, D]."""
        return self.combine(zero_invalid(tokens_BND, valid_BN), valid_BN), None


class Seen(NamedTuple):
    """What a Combiner that looks back keeps; it grows by every chunk.

    Attributes:
      keys_values: those of the L tokens so far, a pair a block; None before the first chunk.
      valid_BL: bool.
      chunks: int64 scalar, how many there have been.
    """

    keys_values: list[KeysValues] | None
    valid_BL: torch.Tensor
    chunks: torch.Tensor


class TransformerCombiner(Combiner):
    """A transformer over the chunk's tokens whose last M outputs are the chunk's (Eq. 2).

    With `earlier_chunks` a token also sees all tokens of earlier chunks, by the chunk-causal mask;
    without, each chunk is combined alone, which costs O(T) rather than O(T^2). The paper's text and
    Eq. 2 feed earlier chunks, its figure does not.

    The last M places are those of sound. Without sound they are empty, and M empty places would
    give M equal outputs: an empty place therefore holds its fixed position (the paper: not stated).

    Args:
      width: D, of the tokens that come in and go out.
      layers: blocks; the paper does not state how many.
      heads: attention heads.
      out_tokens: M, tokens kept of a chunk; the paper: 32.
      earlier_chunks: whether tokens of earlier chunks are seen.
      dropout: probability of dropout.
    """

    def __init__(
        self,
        *,
        width: int,
        layers: int,
        heads: int,
        out_tokens: int = 32,
        earlier_chunks: bool = True,
        dropout: float = 0.0,
    ):
        super().__init__()
        require_positive("TransformerCombiner", out_tokens=out_tokens)
        self.out_tokens = out_tokens
        self.earlier_chunks = earlier_chunks
        self.transformer = Transformer(width, layers, heads, dropout)

    def forward(self, tokens_BTND: torch.Tensor, valid_BTN: torch.Tensor) -> torch.Tensor:
        """Combines [B, T, N, D] to [B, T, M, D].

        Raises:
          ValueError: a chunk has fewer than M tokens.
        """
        require_tokens("TransformerCombiner", self.out_tokens, tokens_BTND.shape[2])
        combine = self._over_chunks if self.earlier_chunks else self._chunk_alone
        y_BTND = combine(position_invalid(tokens_BTND, valid_BTN), valid_BTN)
        return y_BTND[:, :, -self.out_tokens :]

    def start(
        self, batch_size: int, device: torch.device | str | None, dtype: torch.dtype
    ) -> Seen | None:
        """Returns an empty past, or None where each chunk is combined alone."""
        if not self.earlier_chunks:
            return None
        nothing_B0 = torch.zeros((batch_size, 0), dtype=torch.bool, device=device)
        return Seen(None, nothing_B0, torch.zeros((), dtype=torch.int64, device=device))

    def step(
        self, tokens_BND: torch.Tensor, valid_BN: torch.Tensor, state: Seen | None
    ) -> tuple[torch.Tensor, Seen | None]:
        """Combines one chunk to [B, M, D]."""
        if state is None:
            return self(tokens_BND[:, None], valid_BN[:, None])[:, 0], None
        require_tokens("TransformerCombiner", self.out_tokens, tokens_BND.shape[1])
        return self._go_on(position_invalid(tokens_BND, valid_BN), valid_BN, state)

    def _chunk_alone(self, tokens_BTND: torch.Tensor, valid_BTN: torch.Tensor) -> torch.Tensor:
        mask = look_at_valid(valid_BTN.flatten(0, 1))
        return self.transformer(tokens_BTND.flatten(0, 1), mask).unflatten(0, valid_BTN.shape[:2])

    def _over_chunks(self, tokens_BTND: torch.Tensor, valid_BTN: torch.Tensor) -> torch.Tensor:
        tokens_BLD = (tokens_BTND + chunk_positions(tokens_BTND)).flatten(1, 2)
        y_BLD = self.transformer(tokens_BLD, ChunkMasks.of(valid_BTN))
        return y_BLD.unflatten(1, valid_BTN.shape[1:])

    def _go_on(
        self, tokens_BND: torch.Tensor, valid_BN: torch.Tensor, state: Seen
    ) -> tuple[torch.Tensor, Seen]:
        """Runs the last N rows of `_over_chunks`: new tokens see all so far, and each itself."""
        valid_BL = torch.cat([state.valid_BL, valid_BN], dim=1)
        place_L = torch.arange(valid_BL.shape[1], device=valid_BL.device)
        own_NL = place_L[-valid_BN.shape[1] :, None] == place_L
        position_1D = sincos_positions(state.chunks[None, None], tokens_BND.shape[-1])
        y_BND, seen = self.transformer.step(
            tokens_BND + position_1D.to(tokens_BND.dtype),
            state.keys_values,
            valid_BL[:, None] | own_NL,
        )
        return y_BND[:, -self.out_tokens :], Seen(seen, valid_BL, state.chunks + 1)


def zero_invalid(tokens: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
    """Returns the tokens [..., N, D] with zeros where `valid` [..., N] is false."""
    return tokens.masked_fill(~valid[..., None], 0.0)


def position_invalid(tokens: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
    """Returns the tokens [..., N, D] with fixed positions 0 to N - 1 where `valid` is false."""
    N, D = tokens.shape[-2:]
    position_ND = sincos_positions(torch.arange(N, device=tokens.device)[:, None], D)
    return torch.where(valid[..., None], tokens, position_ND.to(tokens.dtype))


def require_tokens(owner: str, wanted: int, found: int) -> None:
    """Checks that a chunk has the tokens that a Combiner makes its own of.

    Raises:
      ValueError: it has fewer.
    """
    if found < wanted:
        raise ValueError(
            f"{owner} makes {wanted} tokens of those of a chunk, but the encoders make only "
            f"{found}; lower {owner}.out_tokens or use smaller patches"
        )
