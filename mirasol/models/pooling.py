"""Combiners that learn nothing: means of groups of tokens, and all tokens as they are."""

from __future__ import annotations

import torch

from mirasol.models.combiners import ChunkCombiner, require_tokens
from mirasol.numbers import require_positive


class MeanPoolCombiner(ChunkCombiner):
    """The means of M groups of consecutive tokens; nothing is learned.

    Token n of N belongs to group floor(n M / N), so sizes differ by at most one. Seven tokens of
    which the third is not valid (-), in three groups:

        token  0 1 - 3 4 5 6
        group  0 0   1 1 2 2

    One mean a group, rather than one in all repeated M times, keeps what is early in the row apart
    from what is late: pictures come before sound. A group without a valid token gives zeros. Not in
    the paper; a floor under the Combiners that learn.

    Args:
      out_tokens: M, tokens kept of a chunk.

    Raises:
      ValueError: out_tokens is below 1.
    """

    def __init__(self, *, out_tokens: int = 32):
        super().__init__()
        require_positive("MeanPoolCombiner", out_tokens=out_tokens)
        self.out_tokens = out_tokens

    def combine(self, tokens_BND: torch.Tensor, valid_BN: torch.Tensor) -> torch.Tensor:
        """Combines chunks [B, N, D] to [B, M, D].

        Raises:
          ValueError: a chunk has fewer than M tokens.
        """
        M, N = self.out_tokens, valid_BN.shape[1]
        require_tokens("MeanPoolCombiner", M, N)
        group_N = torch.arange(N, device=valid_BN.device) * M // N
        member_MN = group_N == torch.arange(M, device=valid_BN.device)[:, None]
        weight_BMN = (member_MN & valid_BN[:, None]).to(tokens_BND.dtype)
        return weight_BMN @ tokens_BND / weight_BMN.sum(dim=-1, keepdim=True).clamp(min=1.0)


class NoCombiner(ChunkCombiner):
    """All tokens of a chunk go on: the paper's baseline. The latent model then sees T * N tokens.

    Args:
      out_tokens: N, what the encoders make of a chunk together; LatentModel.tokens must be equal.

    Raises:
      ValueError: out_tokens is below 1.
    """

    def __init__(self, *, out_tokens: int):
        super().__init__()
        require_positive("NoCombiner", out_tokens=out_tokens)
        self.out_tokens = out_tokens

    def combine(self, tokens_BND: torch.Tensor, valid_BN: torch.Tensor) -> torch.Tensor:
        """Returns the tokens [B, N, D].

        Raises:
          ValueError: their number is another.
        """
        if valid_BN.shape[1] != self.out_tokens:
            raise ValueError(
                f"NoCombiner.out_tokens is {self.out_tokens}, but the encoders make "
                f"{valid_BN.shape[1]} tokens of a chunk; set it and LatentModel.tokens to that"
            )
        return tokens_BND
