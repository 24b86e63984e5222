"""The three losses of Mirasol3B: of the latents, the small media and the text.

And one measure that is no loss: how far the latents are from collapse.
"""

from __future__ import annotations

import dataclasses

import torch
from torch.nn import functional

from mirasol.batch import PAD_ID


@dataclasses.dataclass(frozen=True, kw_only=True)
class LossWeights:
    """What each loss counts. The paper: all equal in pre-training, text times 10 in fine-tuning.

    The defaults and `gin/presets/pretraining.gin` are the first, `gin/presets/finetuning.gin` is
    the second.

    Attributes:
      text: of the answers' cross-entropy.
      latent: of h_t against x_{t+1}.
      reconstruction: of the media against what is made of h.
    """

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


def chunk_pairs(valid_BT: torch.Tensor) -> torch.Tensor:
    """Returns of how many pairs of chunks, each times M tokens, `latent_loss` is the mean."""
    return (valid_BT[:, :-1] & valid_BT[:, 1:]).sum()


def latent_spread(x_BTMD: torch.Tensor, valid_BT: torch.Tensor) -> torch.Tensor:
    """Tells how much the directions of the Combiner's outputs differ from chunk to chunk.

    Each x is normalised to length 1; the standard deviation of every feature of each of the M
    tokens is taken over the valid chunks of all clips, and averaged. Near 0, all chunks look alike
    and the latent loss is won without learning (collapse); directions spread evenly come near
    1 / sqrt(D), which is the most there is. The paper does not state such a measure.

    Returns:
      float32 scalar without gradient; 0 where fewer than two chunks are valid.
    """
    unit_BTMD = functional.normalize(x_BTMD.detach().float(), dim=-1)
    weight_BT11 = valid_BT[..., None, None].float()
    count = weight_BT11.sum().clamp(min=1.0)
    mean_MD = (unit_BTMD * weight_BT11).sum((0, 1)) / count
    variance_MD = ((unit_BTMD - mean_MD).square() * weight_BT11).sum((0, 1)) / count
    return variance_MD.sqrt().mean()


def text_loss(
    logits_BQRV: torch.Tensor,
    answer_BQR: torch.Tensor,
    question_BQ: torch.Tensor,
    label_smoothing: float = 0.0,
) -> torch.Tensor:
    """Returns the cross-entropy of a token, mean over the tokens of real answers, in float32.

    With label smoothing e of V tokens, the right one is wanted with the probability 1 - e + e / V
    and each other one with e / V (Szegedy et al. 2016).
    """
    nll_BQR = functional.cross_entropy(
        logits_BQRV.float().flatten(0, 2),
        answer_BQR.flatten(),
        reduction="none",
        label_smoothing=label_smoothing,
    ).view_as(answer_BQR)
    return masked_mean(nll_BQR, answer_tokens(answer_BQR, question_BQ))


def answer_tokens(answer_BQR: torch.Tensor, question_BQ: torch.Tensor) -> torch.Tensor:
    """Returns which tokens are those of real answers: bool [B, Q, R]."""
    return (answer_BQR != PAD_ID) & question_BQ[..., None]
