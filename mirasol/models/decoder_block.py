"""A block of the text decoder, and the two things that it looks at: the clip, and earlier text."""

from __future__ import annotations

import dataclasses

import torch
from torch import nn

from mirasol.models.activations import Activation
from mirasol.models.transformer import Attention, FeedForward, KeysValues


@dataclasses.dataclass(frozen=True)
class Memory:
    """What the decoder looks at, projected once a clip: a pair of keys and values per block.

    Attributes:
      keys_values: per block, two tensors [B, K, 1 + N, D / K]; the first key is the empty one.
      mask_B1N: bool [B, 1, 1 + N].
    """

    keys_values: list[KeysValues]
    mask_B1N: torch.Tensor


@dataclasses.dataclass(frozen=True)
class Cache:
    """What the decoder has read and written so far. Its shapes are the same at every step.

    Slots 0 to P - 1 hold the prompt, P to P + R - 1 the answer; those not written yet are zeros:

        slot       0  1  2  3  4  5        P = 3, R = 3, the prompt ends in padding,
        holds      p  p  -  r  .  .        one token is written
        visible    x  x  .  x  x  x        looked at where slot <= slot_1, too

    Attributes:
      keys_values: per block, two tensors [X, K, P + R, D / K].
      visible_XL: bool, L = P + R; all but the prompt's padding.
      shift_X1: int64, from a slot of the answer to its position, which padding does not move.
      slot_1: int64, where the next token goes. A tensor: as a number it would be baked into the
        graph, and every step compiled anew.
    """

    keys_values: list[KeysValues]
    visible_XL: torch.Tensor
    shift_X1: torch.Tensor
    slot_1: torch.Tensor

    def rows(self, row_Y: torch.Tensor) -> Cache:
        """Returns the cache of the given rows, in their order; a row may come several times."""

        def rows(tensor: torch.Tensor) -> torch.Tensor:
            return tensor.index_select(0, row_Y)

        return Cache(
            [(rows(keys), rows(values)) for keys, values in self.keys_values],
            rows(self.visible_XL),
            rows(self.shift_X1),
            self.slot_1,
        )


class DecoderBlock(nn.Module):
    """Pre-norm self-attention, cross-attention to the clip, feed-forward; all residual."""

    def __init__(
        self,
        width: int,
        heads: int,
        context_width: int,
        dropout: float,
        activation: Activation = "gelu",
    ):
        super().__init__()
        self.self_norm = nn.LayerNorm(width)
        self.self_attention = Attention(width, heads)
        self.cross_norm = nn.LayerNorm(width)
        self.cross_attention = Attention(width, heads, context_width)
        self.feed_forward_norm = nn.LayerNorm(width)
        self.feed_forward = FeedForward(width, activation=activation)
        self.dropout = nn.Dropout(dropout)

    def look_at(self, context_BND: torch.Tensor) -> KeysValues:
        """Projects the clip for this block."""
        return self.cross_attention.keys_values(context_BND)

    def forward(
        self,
        x_XLD: torch.Tensor,
        mask_XLL: torch.Tensor,
        memory: KeysValues,
        memory_mask_B1N: torch.Tensor,
        cached: tuple[KeysValues, torch.Tensor] | None = None,
    ) -> tuple[torch.Tensor, KeysValues]:
        """Returns the block's output, and the keys and values that it looked at.

        X is a multiple of B: the rows of a clip (its questions, their beams) stand side by side as
        queries of one cross-attention, so that the clip's keys and values are read once.

        Args:
          x_XLD: the tokens.
          mask_XLL: bool, over what self-attention looks at: these tokens, or all of the cache.
          memory: of this block.
          memory_mask_B1N: bool.
          cached: this block's part of a cache, and the slots of it that the tokens take.
        """
        y_XLD = self.self_norm(x_XLD)
        seen = self.self_attention.keys_values(y_XLD)
        if cached is not None:
            (keys, values), slot_L = cached
            seen = (keys.index_copy(2, slot_L, seen[0]), values.index_copy(2, slot_L, seen[1]))
        x_XLD = x_XLD + self.dropout(self.self_attention(y_XLD, seen, mask_XLL))
        B = memory_mask_B1N.shape[0]
        y_BYD = self.cross_norm(x_XLD).reshape(B, -1, x_XLD.shape[-1])
        y_BYD = self.cross_attention(y_BYD, memory, memory_mask_B1N)
        x_XLD = x_XLD + self.dropout(y_BYD.reshape(x_XLD.shape))
        return x_XLD + self.dropout(self.feed_forward(self.feed_forward_norm(x_XLD))), seen
