"""The text decoder: a prefix language model that cross-attends to the latents (Mirasol3B)."""

from __future__ import annotations

import dataclasses
from typing import cast

import torch
from torch import nn

from mirasol.batch import EOS_ID, PAD_ID
from mirasol.models.positions import sincos_positions
from mirasol.models.transformer import Attention, FeedForward, KeysValues


def prefix_mask(prompt_XP: torch.Tensor, response: int) -> torch.Tensor:
    """Returns the mask of a prefix language model over prompt and response.

    Prompt tokens see the whole prompt, response tokens also see earlier response tokens; padding is
    seen by nobody but itself. A prompt of three slots (one padding) and a response of three:

               p p - r r r
        p      x x . . . .
        p      x x . . . .
        -      x x x . . .
        r      x x . x . .
        r      x x . x x .
        r      x x . x x x

    Args:
      prompt_XP: int token ids, 0 = padding.
      response: R.

    Returns:
      bool [X, L, L] with L = P + R.
    """
    X, P = prompt_XP.shape
    length = P + response
    device = prompt_XP.device
    real_XL = torch.cat(
        [prompt_XP != PAD_ID, torch.ones((X, response), dtype=torch.bool, device=device)], dim=1
    )
    slot = torch.arange(length, device=device)
    in_order_LL = (slot[None, :] < P) | (slot[None, :] <= slot[:, None])
    return (real_XL[:, None, :] & in_order_LL) | torch.eye(length, dtype=torch.bool, device=device)


@dataclasses.dataclass(frozen=True)
class Memory:
    """What the decoder looks at, projected once a clip: a pair of keys and values per block.

    Attributes:
      keys_values: per block, two tensors [B, K, 1 + N, D / K]; the first key is the empty one.
      mask_B1N: bool [B, 1, 1 + N].
    """

    keys_values: list[KeysValues]
    mask_B1N: torch.Tensor


class DecoderBlock(nn.Module):
    """Pre-norm self-attention, cross-attention to the clip, feed-forward; all residual."""

    def __init__(self, width: int, heads: int, context_width: int, dropout: float):
        super().__init__()
        self.self_norm = nn.LayerNorm(width)
        self.self_attention = Attention(width, heads)
        self.cross_norm = nn.LayerNorm(width)
        self.cross_attention = Attention(width, heads, context_width)
        self.feed_forward_norm = nn.LayerNorm(width)
        self.feed_forward = FeedForward(width)
        self.dropout = nn.Dropout(dropout)

    def look_at(self, context_BND: torch.Tensor) -> KeysValues:
        """Projects the clip for this block."""
        return self.cross_attention.keys_values(context_BND)

    def forward(
        self,
        x_XLD: torch.Tensor,
        earlier: KeysValues | None,
        mask_XLL: torch.Tensor,
        memory: KeysValues,
        memory_mask_B1N: torch.Tensor,
    ) -> tuple[torch.Tensor, KeysValues]:
        """Returns the block's output and its keys and values, `earlier` ones included.

        X = B * Q rows: the Q questions of a clip stand side by side as queries of one
        cross-attention, so that the clip's keys and values are computed and read once.
        """
        y_XLD = self.self_norm(x_XLD)
        own = self.self_attention.keys_values(y_XLD)
        if earlier is not None:
            own = (torch.cat([earlier[0], own[0]], dim=2), torch.cat([earlier[1], own[1]], dim=2))
        x_XLD = x_XLD + self.dropout(self.self_attention(y_XLD, own, mask_XLL))
        B = memory_mask_B1N.shape[0]
        y_BYD = self.cross_norm(x_XLD).reshape(B, -1, x_XLD.shape[-1])
        y_BYD = self.cross_attention(y_BYD, memory, memory_mask_B1N)
        x_XLD = x_XLD + self.dropout(y_BYD.reshape(x_XLD.shape))
        return x_XLD + self.dropout(self.feed_forward(self.feed_forward_norm(x_XLD))), own


class TextDecoder(nn.Module):
    """Reads a question, looks at the clip, writes the answer.

    Args:
      vocab_size: V; at least that of the vocabulary in use.
      width: D of the decoder.
      layers: blocks.
      heads: K.
      context_width: D of the latents.
      dropout: probability.
      tied: whether the output shares the embedding's weights.
    """

    def __init__(
        self,
        *,
        vocab_size: int,
        width: int,
        layers: int,
        heads: int,
        context_width: int,
        dropout: float = 0.0,
        tied: bool = True,
    ):
        super().__init__()
        self.width = width
        self.vocab_size = vocab_size
        # Before the embedding, so that tied weights start as an embedding's.
        self.out = nn.Linear(width, vocab_size, bias=False)
        self.embedding = nn.Embedding(vocab_size, width)
        self.nothing_D = nn.Parameter(torch.randn(context_width) * 0.02)
        self.context_norm = nn.LayerNorm(context_width)
        self.blocks = nn.ModuleList(
            DecoderBlock(width, heads, context_width, dropout) for _ in range(layers)
        )
        self.norm = nn.LayerNorm(width)
        if tied:
            self.out.weight = self.embedding.weight

    def remember(self, context_BND: torch.Tensor, valid_BN: torch.Tensor) -> Memory:
        """Projects the clip for every block; an always valid empty token stands for no clip."""
        B = context_BND.shape[0]
        nothing_B1D = self.nothing_D.to(context_BND.dtype).expand(B, 1, -1)
        context = self.context_norm(torch.cat([nothing_B1D, context_BND], dim=1))
        mask_BN = torch.cat([torch.ones_like(valid_BN[:, :1]), valid_BN], dim=1)
        keys_values = [cast(DecoderBlock, block).look_at(context) for block in self.blocks]
        return Memory(keys_values, mask_BN[:, None])

    def forward(
        self, memory: Memory, prompt_BQP: torch.Tensor, answer_BQR: torch.Tensor
    ) -> torch.Tensor:
        """Returns the logits of each answer token given those before it: [B, Q, R, V]."""
        prompt_XP, answer_XR = prompt_BQP.flatten(0, 1), answer_BQR.flatten(0, 1)
        start_X1 = torch.full_like(answer_XR[:, :1], PAD_ID)
        tokens_XL = torch.cat([prompt_XP, start_X1, answer_XR[:, :-1]], dim=1)
        R = answer_XR.shape[1]
        x_XLD, _ = self._run(
            self._embed(tokens_XL, self._positions(prompt_XP, R)),
            [None] * len(self.blocks),
            prefix_mask(prompt_XP, R),
            memory,
        )
        return self._logits(x_XLD[:, -R:]).unflatten(0, prompt_BQP.shape[:2])

    def generate(self, memory: Memory, prompt_BQP: torch.Tensor, length: int) -> torch.Tensor:
        """Writes each answer greedily with cached keys and values.

        Returns:
          int64 [B, Q, length]: answer tokens, the end token, then padding.
        """
        prompt_XP = prompt_BQP.flatten(0, 1)
        P = prompt_XP.shape[1]
        mask_XLL = prefix_mask(prompt_XP, length)
        positions_XL = self._positions(prompt_XP, length)
        x_XPD = self._embed(prompt_XP, positions_XL[:, :P])
        none = [None] * len(self.blocks)
        _, cache = self._run(x_XPD, none, mask_XLL[:, :P, :P], memory)
        token_X1 = torch.full_like(prompt_XP[:, :1], PAD_ID)
        going_X1 = torch.ones_like(token_X1, dtype=torch.bool)
        written = []
        for slot in range(P, P + length):
            x_X1D = self._embed(token_X1, positions_XL[:, slot : slot + 1])
            mask_X1L = mask_XLL[:, slot : slot + 1, : slot + 1]
            x_X1D, cache = self._run(x_X1D, cache, mask_X1L, memory)
            best_X1 = self._logits(x_X1D).argmax(dim=-1)
            token_X1 = torch.where(going_X1, best_X1, PAD_ID)
            going_X1 = going_X1 & (token_X1 != EOS_ID)
            written.append(token_X1)
        return torch.cat(written, dim=1).unflatten(0, prompt_BQP.shape[:2])

    def _run(
        self,
        x_XLD: torch.Tensor,
        earlier: list[KeysValues] | list[None],
        mask_XLL: torch.Tensor,
        memory: Memory,
    ) -> tuple[torch.Tensor, list[KeysValues]]:
        cache = []
        for block, before, clip in zip(self.blocks, earlier, memory.keys_values, strict=True):
            x_XLD, own = block(x_XLD, before, mask_XLL, clip, memory.mask_B1N)
            cache.append(own)
        return x_XLD, cache

    def _positions(self, prompt_XP: torch.Tensor, response: int) -> torch.Tensor:
        """Counts real tokens only, so that padding moves nothing: int64 [X, L]."""
        real_XP = (prompt_XP != PAD_ID).to(torch.int64)
        length_X1 = real_XP.sum(dim=1, keepdim=True)
        response_R = torch.arange(response, device=prompt_XP.device)
        return torch.cat([real_XP.cumsum(dim=1) - real_XP, length_X1 + response_R], dim=1)

    def _embed(self, tokens_XL: torch.Tensor, positions_XL: torch.Tensor) -> torch.Tensor:
        # The table is N(0, 1 / D); times sqrt(D) it is as loud as the positions.
        x_XLD = self.embedding(tokens_XL) * self.width**0.5
        return x_XLD + sincos_positions(positions_XL[..., None], self.width).to(x_XLD.dtype)

    def _logits(self, x_XLD: torch.Tensor) -> torch.Tensor:
        return self.out(self.norm(x_XLD))
