"""The autoregressive latent model over chunks (Mirasol3B)."""

from __future__ import annotations

import torch
from torch import nn

from mirasol.models.positions import chunk_positions
from mirasol.models.transformer import Transformer, chunk_causal_mask, look_at_valid


class LatentModel(nn.Module):
    """A transformer over the Combiner's tokens, causal over chunks: h_t predicts x_{t+1}.

    In training a share of the input tokens is replaced by a learned mask token, which the paper
    found to stabilise it; its ratio is printed as "0.75%" and can be read as 0.0075 or 0.75.

    Args:
      width: D.
      layers: blocks; the paper does not state it.
      heads: K.
      tokens: M, tokens of a chunk.
      mask_ratio: probability with which an input token is masked in training.
      dropout: probability.
    """

    def __init__(
        self,
        *,
        width: int,
        layers: int,
        heads: int,
        tokens: int = 32,
        mask_ratio: float = 0.0075,
        dropout: float = 0.0,
    ):
        super().__init__()
        if not 0.0 <= mask_ratio < 1.0:
            raise ValueError(f"LatentModel.mask_ratio is {mask_ratio}; it must be in [0, 1)")
        self.tokens = tokens
        self.mask_ratio = mask_ratio
        self.slot_MD = nn.Parameter(torch.randn(tokens, width) * 0.02)
        self.mask_D = nn.Parameter(torch.randn(width) * 0.02)
        self.transformer = Transformer(width, layers, heads, dropout)

    def forward(self, x_BTMD: torch.Tensor, valid_BT: torch.Tensor) -> torch.Tensor:
        """Returns h [B, T, M, D]; h_t depends on x_1 .. x_t of valid chunks alone."""
        _, T, M, _ = x_BTMD.shape
        y_BTMD = self._mask(x_BTMD) + chunk_positions(x_BTMD) + self.slot_MD
        valid_BL = valid_BT.repeat_interleave(M, dim=1)
        mask = chunk_causal_mask(T, M, x_BTMD.device) & look_at_valid(valid_BL)
        return self.transformer(y_BTMD.flatten(1, 2), mask).unflatten(1, (T, M))

    def _mask(self, x_BTMD: torch.Tensor) -> torch.Tensor:
        if not self.training or self.mask_ratio == 0.0:
            return x_BTMD
        masked_BTM1 = torch.rand_like(x_BTMD[..., :1]) < self.mask_ratio
        return torch.where(masked_BTM1, self.mask_D.to(x_BTMD.dtype), x_BTMD)
