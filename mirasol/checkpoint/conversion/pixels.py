"""How the pixels of a tower were scaled, and its kernel as the matrix that takes ours."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from mirasol.checkpoint.conversion.kernels import as_matrix, for_our_pixels
from mirasol.checkpoint.conversion.ledger import How, Ledger

Scaling = tuple[Sequence[float], Sequence[float]]
"""Mean and deviation of each channel, of pixels in [0, 1]."""

# Where preprocessor_config.json does not tell.
HALF: Scaling = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
IMAGENET: Scaling = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
CLIP: Scaling = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))

_PLAIN: Scaling = ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
_BYTES = 255


def put_kernel(
    ledger: Ledger, kernel: torch.Tensor, bias: str, usual: Scaling, how: How, name: str
) -> None:
    """Enters the projection of patches.

    Args:
      ledger: takes it.
      kernel: [D, 3, *patch], for their pixels.
      bias: name of theirs; "": there is none.
      usual: of their pixels, unless the preprocessor says otherwise.
      how: the kernel came about.
      name: of the kernel.

    Raises:
      ValueError: pixels that are scaled as none of ours can be.
    """
    mean, std = scaling(ledger.weights.preprocessor, usual)
    rows = len(kernel)
    bias_D = ledger.weights.take(bias, rows) if bias else torch.zeros(rows)
    weight_DX, bias_D = for_our_pixels(as_matrix(kernel), bias_D, mean, std)
    ledger.put("patches.project.weight", weight_DX, how, name)
    ledger.put("patches.project.bias", bias_D, "folded", *filter(None, (bias, name)))


def scaling(preprocessor: Mapping[str, Any], usual: Scaling) -> Scaling:
    """Returns how pixels in [0, 1] are scaled.

    Args:
      preprocessor: of preprocessor_config.json.
      usual: what holds where it is silent.

    Raises:
      ValueError: it has no mean and deviation for each of three channels, or begins with pixels of
        another range.
    """
    factor = preprocessor.get("rescale_factor", 1 / _BYTES)
    if not (preprocessor.get("do_rescale", True) and math.isclose(factor * _BYTES, 1)):
        raise ValueError(
            "preprocessor_config.json does not bring pixels into [0, 1] (do_rescale, "
            f"rescale_factor {factor}): ours are; scale the kernel, and leave these out"
        )
    if not preprocessor.get("do_normalize", True):
        return _PLAIN
    mean, std = (
        _each_channel(preprocessor.get(name), default)
        for name, default in zip(("image_mean", "image_std"), usual, strict=True)
    )
    if not len(mean) == len(std) == len(_PLAIN[0]) or min(std) <= 0:
        raise ValueError(
            f"preprocessor_config.json has image_mean {list(mean)} and image_std {list(std)}; each "
            "must have three numbers, and a deviation must be above 0"
        )
    return mean, std


def _each_channel(told: Any, usual: Sequence[float]) -> Sequence[float]:
    """Returns three numbers; one alone is that of every channel."""
    if told is None:
        return usual
    return (told,) * len(usual) if isinstance(told, int | float) else told
