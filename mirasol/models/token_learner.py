"""TokenLearner (arXiv 2106.11297, version 1.1): many tokens in few, part by part."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn


class Summary(NamedTuple):
    """M weighted means of some tokens, and how much they weigh beside those of other tokens.

    Attributes:
      means_BMD: the softmax of the scores over these tokens alone, times the tokens.
      mass_BM: float32 or wider, the log of the sum of the exponentials of the scores.
    """

    means_BMD: torch.Tensor
    mass_BM: torch.Tensor


def join(*parts: Summary) -> torch.Tensor:
    """Returns the means [B, M, D] over the tokens of all parts.

    A softmax over [U || V] is that over U and that over V, weighted by the softmax of their masses.
    So what does not depend on the memory is summarised for all chunks at once, and only the memory
    in the loop.
    """
    share_PBM = torch.stack([part.mass_BM for part in parts]).softmax(dim=0)
    means_PBMD = torch.stack([part.means_BMD for part in parts])
    return (share_PBM[..., None].to(means_PBMD.dtype) * means_PBMD).sum(dim=0)


class TokenLearner(nn.Module):
    """S_k(V) = softmax_over_tokens(MLP_k(LN(V)))^T V: V in k tokens (TokenLearner 1.1).

    The softmax runs over the tokens, one for each of the k; the tokens themselves are taken as they
    are, not normalised.

    Args:
      width: D.
      out_tokens: k, here M.
      hidden: units between the two linear maps; TokenLearner: 64.
    """

    def __init__(self, width: int, out_tokens: int, hidden: int):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        # A last bias would add the same to the scores of all tokens, and their softmax ignore it.
        last = nn.Linear(hidden, out_tokens, bias=False)
        self.score = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), last)

    def forward(self, tokens_BND: torch.Tensor, valid_BN: torch.Tensor | None = None) -> Summary:
        """Summarises tokens [B, N, D]; those that are not valid weigh nothing beside any that are.

        Where none is valid the means are of no account (yet finite) and the mass is the least there
        is: join them to a part that has valid tokens.
        """
        score_BNM = self.score(self.norm(tokens_BND))
        score_BNM = score_BNM.to(torch.promote_types(score_BNM.dtype, torch.float32))
        if valid_BN is not None:
            least = torch.finfo(score_BNM.dtype).min  # Not -inf: softmax over nothing were NaN.
            score_BNM = score_BNM.masked_fill(~valid_BN[..., None], least)
        weight_BMN = score_BNM.softmax(dim=1).transpose(1, 2).to(tokens_BND.dtype)
        return Summary(weight_BMN @ tokens_BND, score_BNM.logsumexp(dim=1))
