"""Combiners: fuse the video and audio tokens of a chunk into a few (Mirasol3B)."""

from __future__ import annotations

import abc

import torch
from torch import nn

from mirasol.models.positions import chunk_positions
from mirasol.models.transformer import Transformer, chunk_causal_mask, look_at_valid


class Combiner(nn.Module, abc.ABC):
    """Maps the tokens of every chunk to M tokens a chunk, causally over chunks.

    Attributes:
      out_tokens: M.
    """

    out_tokens: int

    @abc.abstractmethod
    def forward(self, tokens_BTND: torch.Tensor, valid_BTN: torch.Tensor) -> torch.Tensor:
        """Combines [B, T, N, D] to [B, T, M, D]; where `valid_BTN` is false, no effect."""


class TransformerCombiner(Combiner):
    """A transformer over the chunk's tokens whose last M outputs are the chunk's (Eq. 2).

    With `earlier_chunks` a token also sees all tokens of earlier chunks, by the chunk-causal mask;
    without, each chunk is combined alone, which costs O(T) rather than O(T^2). The paper's text and
    Eq. 2 feed earlier chunks, its figure does not.

    Args:
      width: D.
      layers: blocks; the paper does not state how many.
      heads: attention heads.
      out_tokens: M; the paper: 32.
      earlier_chunks: whether tokens of earlier chunks are seen.
      dropout: probability.
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
        self.out_tokens = out_tokens
        self.earlier_chunks = earlier_chunks
        self.transformer = Transformer(width, layers, heads, dropout)

    def forward(self, tokens_BTND: torch.Tensor, valid_BTN: torch.Tensor) -> torch.Tensor:
        """Combines [B, T, N, D] to [B, T, M, D].

        Raises:
          ValueError: a chunk has fewer than M tokens.
        """
        if tokens_BTND.shape[2] < self.out_tokens:
            raise ValueError(
                f"the Combiner keeps the last {self.out_tokens} tokens of a chunk, but the "
                f"encoders make only {tokens_BTND.shape[2]}; lower TransformerCombiner.out_tokens "
                "or use smaller patches"
            )
        combine = self._over_chunks if self.earlier_chunks else self._chunk_alone
        return combine(tokens_BTND, valid_BTN)[:, :, -self.out_tokens :]

    def _chunk_alone(self, tokens_BTND: torch.Tensor, valid_BTN: torch.Tensor) -> torch.Tensor:
        mask = look_at_valid(valid_BTN.flatten(0, 1))
        return self.transformer(tokens_BTND.flatten(0, 1), mask).unflatten(0, valid_BTN.shape[:2])

    def _over_chunks(self, tokens_BTND: torch.Tensor, valid_BTN: torch.Tensor) -> torch.Tensor:
        _, T, N, _ = tokens_BTND.shape
        tokens_BLD = (tokens_BTND + chunk_positions(tokens_BTND)).flatten(1, 2)
        valid_BL = valid_BTN.flatten(1, 2)
        mask = chunk_causal_mask(T, N, valid_BL.device) & look_at_valid(valid_BL)
        return self.transformer(tokens_BLD, mask).unflatten(1, (T, N))
