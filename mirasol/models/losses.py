"""The three losses of Mirasol3B: of the latents, the small video and the text."""

from __future__ import annotations

import dataclasses

import torch
from torch.nn import functional

from mirasol.batch import PAD_ID


@dataclasses.dataclass(frozen=True, kw_only=True)
class LossWeights:
    """What each loss counts. The paper: all equal in pre-training, text times 10 in fine-tuning."""

    text: float = 1.0
    latent: float = 1.0
    reconstruction: float = 1.0


def masked_mean(values: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
    """Returns the mean of `values` where `valid` (same shape, bool); 0 where nothing is valid."""
    weights = valid.to(values.dtype)
    return (values * weights).sum() / weights.sum().clamp(min=1.0)


def cosine_loss(
    prediction: torch.Tensor, target: torch.Tensor, valid: torch.Tensor
) -> torch.Tensor:
    """Returns the mean of 1 - cos(prediction, target) over the last axis, in float32.

    Args:
      prediction: [..., D].
      target: [..., D].
      valid: bool [...].
    """
    cosine = functional.cosine_similarity(prediction.float(), target.float(), dim=-1)
    return masked_mean(1.0 - cosine, valid)


def latent_loss(h_BTMD: torch.Tensor, x_BTMD: torch.Tensor, valid_BT: torch.Tensor) -> torch.Tensor:
    """Compares h_t with the Combiner's x_{t+1} for neighbouring valid chunks, by the cosine.

    The paper normalises both and takes their dot product; that the target is x is likely, not sure.

    With one chunk there is nothing to predict and the loss is 0.
    """
    valid_BTM = (valid_BT[:, :-1] & valid_BT[:, 1:])[..., None].expand(h_BTMD[:, :-1].shape[:-1])
    return cosine_loss(h_BTMD[:, :-1], x_BTMD[:, 1:], valid_BTM)


def text_loss(
    logits_BQRV: torch.Tensor, answer_BQR: torch.Tensor, question_BQ: torch.Tensor
) -> torch.Tensor:
    """Returns the cross-entropy of a token, mean over the tokens of real answers, in float32."""
    nll_BQR = functional.cross_entropy(
        logits_BQRV.float().flatten(0, 2), answer_BQR.flatten(), reduction="none"
    ).view_as(answer_BQR)
    return masked_mean(nll_BQR, (answer_BQR != PAD_ID) & question_BQ[..., None])
