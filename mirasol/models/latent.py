"""The autoregressive latent model over chunks (Mirasol3B)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn

from mirasol.models.positions import chunk_positions, sincos_positions
from mirasol.models.transformer import KeysValues, Transformer, chunk_causal_mask, look_at_valid
from mirasol.numbers import require_positive


def banded_chunk_mask(
    chunks: int, tokens: int, window: int, device: torch.device | None = None
) -> torch.Tensor:
    """Returns the mask by which a token sees its whole chunk and the `window` - 1 before it.

    Three chunks of two tokens in a window of two (x: may look):

                keys  0 0 1 1 2 2
        queries  0    x x . . . .
                 0    x x . . . .
                 1    x x x x . .
                 1    x x x x . .
                 2    . . x x x x
                 2    . . x x x x

    Returns:
      bool [chunks * tokens, chunks * tokens].
    """
    chunk_of_token = torch.arange(chunks, device=device).repeat_interleave(tokens)
    age = chunk_of_token[:, None] - chunk_of_token[None, :]
    return (age >= 0) & (age < window)


class LatentState(NamedTuple):
    """What the latent model keeps of a stream between two chunks.

    Attributes:
      seen: keys and values of the L tokens that the next chunk may look at, a pair a block.
      valid_BL: bool, which of them count.
      number_11: int64, chunks so far; a tensor, so that every chunk runs the same graph.
    """

    seen: list[KeysValues]
    valid_BL: torch.Tensor
    number_11: torch.Tensor


class LatentModel(nn.Module):
    """A transformer over the Combiner's tokens, causal over chunks: h_t predicts x_{t+1}.

    In training a share of the input tokens is replaced by a learned mask token, which the paper
    found to stabilise it; its ratio is printed as "0.75%" and can be read as 0.0075 or 0.75.

    Args:
      width: D, of the Combiner's tokens.
      layers: blocks; the paper does not state it.
      heads: K, attention heads.
      tokens: M, tokens of a chunk.
      mask_ratio: probability with which an input token is masked in training.
      dropout: probability of dropout.
      mask_chunks: whether all tokens of a chunk are masked together, each chunk with the same
        probability, rather than each token by itself; the paper does not state which.
      window: how many chunks a block looks at, the current one included; None: all. The paper
        states none. Through the blocks h_t still reaches layers * (window - 1) chunks back.

    Raises:
      ValueError: a mask_ratio outside [0, 1), or a window below 1.
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
        mask_chunks: bool = False,
        window: int | None = None,
    ):
        super().__init__()
        if not 0.0 <= mask_ratio < 1.0:
            raise ValueError(f"LatentModel.mask_ratio is {mask_ratio}; it must be in [0, 1)")
        require_positive("LatentModel", window=window)
        self.heads = heads
        self.tokens = tokens
        self.mask_ratio = mask_ratio
        self.mask_chunks = mask_chunks
        self.window = window
        self.slot_MD = nn.Parameter(torch.randn(tokens, width) * 0.02)
        self.mask_D = nn.Parameter(torch.randn(width) * 0.02)
        self.transformer = Transformer(width, layers, heads, dropout)

    def forward(self, x_BTMD: torch.Tensor, valid_BT: torch.Tensor) -> torch.Tensor:
        """Returns h [B, T, M, D]; h_t depends on x_1 .. x_t of valid chunks alone."""
        _, T, M, _ = x_BTMD.shape
        y_BTMD = self._mask(x_BTMD) + chunk_positions(x_BTMD) + self.slot_MD
        valid_BL = valid_BT.repeat_interleave(M, dim=1)
        mask = self._chunks_seen(T, M, x_BTMD.device) & look_at_valid(valid_BL)
        return self.transformer(y_BTMD.flatten(1, 2), mask).unflatten(1, (T, M))

    def start(self, batch_size: int, device: torch.device | str, dtype: torch.dtype) -> LatentState:
        """Returns the state before the first chunk.

        With a window it has its final size at once, (window - 1) * M tokens of which none counts
        yet; without one it is empty and grows by M tokens a chunk.

        Args:
          batch_size: B, streams side by side.
          device: of the model.
          dtype: of keys and values.
        """
        kept = 0 if self.window is None else (self.window - 1) * self.tokens
        sizes = (2, batch_size, self.heads, kept, self.transformer.width // self.heads)
        empty = [torch.zeros(sizes, device=device, dtype=dtype) for _ in self.transformer.blocks]
        return LatentState(
            seen=[(keys, values) for keys, values in empty],
            valid_BL=torch.zeros((batch_size, kept), device=device, dtype=torch.bool),
            number_11=torch.zeros((1, 1), device=device, dtype=torch.int64),
        )

    def step(
        self, x_BMD: torch.Tensor, valid_B: torch.Tensor, state: LatentState
    ) -> tuple[torch.Tensor, LatentState]:
        """Takes the next chunk: `forward`, chunk by chunk.

        Args:
          x_BMD: the Combiner's tokens of the chunk.
          valid_B: bool, whether the chunk has pictures or sound.
          state: what `start`, or the step before, returned.

        Returns:
          h [B, M, D] of the chunk, and the state after it.
        """
        position_1D = sincos_positions(state.number_11, x_BMD.shape[-1]).to(x_BMD.dtype)
        y_BMD = self._mask(x_BMD[:, None])[:, 0] + position_1D + self.slot_MD
        valid_BM = valid_B[:, None].expand(-1, self.tokens)
        earlier_BML = state.valid_BL[:, None].expand(-1, self.tokens, -1)
        mask_BML = torch.cat([earlier_BML, look_at_valid(valid_BM)], dim=2)
        h_BMD, seen = self.transformer.step(y_BMD, state.seen, mask_BML)
        # The oldest chunk has left the next one's window.
        old = 0 if self.window is None else self.tokens
        return h_BMD, LatentState(
            seen=[(keys[:, :, old:], values[:, :, old:]) for keys, values in seen],
            valid_BL=torch.cat([state.valid_BL, valid_BM], dim=1)[:, old:],
            number_11=state.number_11 + 1,
        )

    def _chunks_seen(self, chunks: int, tokens: int, device: torch.device) -> torch.Tensor:
        if self.window is None:
            return chunk_causal_mask(chunks, tokens, device)
        return banded_chunk_mask(chunks, tokens, self.window, device)

    def _mask(self, x_BTMD: torch.Tensor) -> torch.Tensor:
        if not self.training or self.mask_ratio == 0.0:
            return x_BTMD
        like = x_BTMD[:, :, :1, :1] if self.mask_chunks else x_BTMD[..., :1]
        return torch.where(
            torch.rand_like(like) < self.mask_ratio, self.mask_D.to(x_BTMD.dtype), x_BTMD
        )
