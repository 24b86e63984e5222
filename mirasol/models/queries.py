"""Combiners whose outputs begin as M learned tokens: CLS tokens, and a Perceiver resampler."""

from __future__ import annotations

import torch
from torch import nn

from mirasol.models.combiners import ChunkCombiner, Combiner, Seen, TransformerCombiner
from mirasol.models.transformer import Attention, FeedForward
from mirasol.numbers import require_positive


class ClsCombiner(Combiner):
    """A TransformerCombiner with M learned CLS tokens after each chunk's: those are kept.

    The paper's ablation names it and says no more. Tokens and CLS tokens of a chunk see one another
    (as in BERT), and with `earlier_chunks` all of earlier chunks. A chunk may have any number of
    tokens.

    Args:
      width: D, of the tokens that come in and go out.
      layers: blocks of the transformer.
      heads: attention heads.
      out_tokens: M, how many CLS tokens, which are kept of a chunk.
      earlier_chunks: whether tokens of earlier chunks are seen.
      dropout: probability of dropout.

    Raises:
      ValueError: out_tokens is below 1.
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
        require_positive("ClsCombiner", out_tokens=out_tokens)
        self.out_tokens = out_tokens
        self.cls_MD = nn.Parameter(torch.randn(out_tokens, width) * 0.02)
        self.last_tokens = TransformerCombiner(
            width=width,
            layers=layers,
            heads=heads,
            out_tokens=out_tokens,
            earlier_chunks=earlier_chunks,
            dropout=dropout,
        )

    def forward(self, tokens_BTND: torch.Tensor, valid_BTN: torch.Tensor) -> torch.Tensor:
        """Combines [B, T, N, D] to [B, T, M, D]."""
        return self.last_tokens(*self._with_cls(tokens_BTND, valid_BTN))

    def start(
        self, batch_size: int, device: torch.device | str | None, dtype: torch.dtype
    ) -> Seen | None:
        """Returns an empty past, or None where each chunk is combined alone."""
        return self.last_tokens.start(batch_size, device, dtype)

    def step(
        self, tokens_BND: torch.Tensor, valid_BN: torch.Tensor, state: Seen | None
    ) -> tuple[torch.Tensor, Seen | None]:
        """Combines one chunk to [B, M, D]."""
        return self.last_tokens.step(*self._with_cls(tokens_BND, valid_BN), state)

    def _with_cls(
        self, tokens: torch.Tensor, valid: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Appends the CLS tokens to [..., N, D] and [..., N]."""
        cls = self.cls_MD.to(tokens.dtype).expand(*valid.shape[:-1], -1, -1)
        there = valid.new_ones((*valid.shape[:-1], self.out_tokens))
        return torch.cat([tokens, cls], dim=-2), torch.cat([valid, there], dim=-1)


class ResamplerBlock(nn.Module):
    """Pre-norm cross-attention from latents to tokens and latents, feed-forward; both residual."""

    def __init__(self, width: int, heads: int, dropout: float):
        super().__init__()
        self.tokens_norm = nn.LayerNorm(width)
        self.latents_norm = nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.feed_forward_norm = nn.LayerNorm(width)
        self.feed_forward = FeedForward(width)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, latents_BMD: torch.Tensor, tokens_BND: torch.Tensor, mask_B1L: torch.Tensor
    ) -> torch.Tensor:
        """Returns the latents after a look at [tokens; latents], whose mask is `mask_B1L`."""
        queries_BMD = self.latents_norm(latents_BMD)
        context_BLD = torch.cat([self.tokens_norm(tokens_BND), queries_BMD], dim=1)
        seen = self.attention.keys_values(context_BLD)
        latents_BMD = latents_BMD + self.dropout(self.attention(queries_BMD, seen, mask_B1L))
        return latents_BMD + self.dropout(self.feed_forward(self.feed_forward_norm(latents_BMD)))


class PerceiverCombiner(ChunkCombiner):
    """A Perceiver resampler on each chunk alone: M latents look at the tokens, layer by layer.

    As in Flamingo (arXiv 2204.14198): keys and values are of tokens and latents together, each with
    a norm of its own, and no layer has self-attention besides. Cost O(M N) a chunk and layer.
    Mirasol3B names it in its ablation and states no sizes. A chunk may have any number of tokens.

    Args:
      width: D, of the tokens that come in and go out.
      layers: blocks; Flamingo: 6.
      heads: K, attention heads.
      out_tokens: M, how many latents, which are kept of a chunk.
      dropout: probability, on both residual branches.

    Raises:
      ValueError: layers or out_tokens is below 1.
    """

    def __init__(
        self, *, width: int, layers: int, heads: int, out_tokens: int = 32, dropout: float = 0.0
    ):
        super().__init__()
        require_positive("PerceiverCombiner", layers=layers, out_tokens=out_tokens)
        self.out_tokens = out_tokens
        self.latents_MD = nn.Parameter(torch.randn(out_tokens, width) * 0.02)
        self.blocks = nn.ModuleList(ResamplerBlock(width, heads, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(width)

    def combine(self, tokens_BND: torch.Tensor, valid_BN: torch.Tensor) -> torch.Tensor:
        """Combines chunks [B, N, D] to [B, M, D]."""
        B = len(valid_BN)
        # The latents are always there, so that a softmax over nothing (NaN) cannot arise.
        there_BM = valid_BN.new_ones((B, self.out_tokens))
        mask_B1L = torch.cat([valid_BN, there_BM], dim=1)[:, None]
        latents_BMD = self.latents_MD.to(tokens_BND.dtype).expand(B, -1, -1)
        for block in self.blocks:
            latents_BMD = block(latents_BMD, tokens_BND, mask_B1L)
        return self.norm(latents_BMD)
