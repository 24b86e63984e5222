"""The chunk-causal mask chunk by chunk, for clips of many tokens."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch.nn import functional


class ChunkMasks(NamedTuple):
    """Masks by which a token sees the valid ones of its chunk and of all earlier ones, and itself.

    What `chunk_causal_mask` and `look_at_valid` say together, but a mask a chunk, which ends where
    that chunk does. Three chunks of two tokens (x: may look); what is left blank is neither kept
    nor computed, and of many chunks that is near half:

                keys  0 0 1 1 2 2
        queries  0    x x
                 0    x x
                 1    x x x x
                 1    x x x x
                 2    x x x x x x
                 2    x x x x x x

    Attributes:
      masks: of chunk t, bool [B, N, (t + 1) * N].
    """

    masks: tuple[torch.Tensor, ...]

    @classmethod
    def of(cls, valid_BTN: torch.Tensor) -> ChunkMasks:
        """Returns the masks of clips of which `valid_BTN` says what tokens there are."""
        _, T, N = valid_BTN.shape
        valid_BL = valid_BTN.flatten(1)
        place_L = torch.arange(T * N, device=valid_BL.device)
        masks = []
        for seen in range(N, T * N + 1, N):
            own_NL = place_L[seen - N : seen, None] == place_L[:seen]
            masks.append(valid_BL[:, None, :seen] | own_NL)
        return cls(tuple(masks))

    def attend(
        self, queries_BKLd: torch.Tensor, keys_BKLd: torch.Tensor, values_BKLd: torch.Tensor
    ) -> torch.Tensor:
        """Looks from the tokens of T chunks at those up to each: [B, K, T * N, d]."""
        queries = queries_BKLd.chunk(len(self.masks), dim=2)
        attended = [
            functional.scaled_dot_product_attention(
                queries_BKNd,
                keys_BKLd[:, :, : mask_BNL.shape[-1]],
                values_BKLd[:, :, : mask_BNL.shape[-1]],
                attn_mask=mask_BNL[:, None],
            )
            for queries_BKNd, mask_BNL in zip(queries, self.masks, strict=True)
        ]
        return torch.cat(attended, dim=2)
