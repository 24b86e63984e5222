"""The nonlinearity inside a feed-forward network, by name: which one, pretrained weights decide."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Literal

import torch
from torch import nn

from mirasol.spelling import nearest

Activation = Literal["gelu", "gelu_tanh", "quick_gelu"]
"""GELU (arXiv 1606.08415) itself, or one of its two approximations."""


class QuickGELU(nn.Module):
    """x sigmoid(1.702 x), the coarser approximation of GELU; CLIP's (arXiv 2103.00020)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns the activations, shaped as they came."""
        return x * torch.sigmoid(1.702 * x)


ACTIVATIONS: Mapping[str, Callable[[], nn.Module]] = MappingProxyType(
    {
        "gelu": nn.GELU,
        "gelu_tanh": functools.partial(nn.GELU, approximate="tanh"),
        "quick_gelu": QuickGELU,
    }
)


def nonlinearity(name: Activation) -> nn.Module:
    """Returns the nonlinearity of that name.

    Raises:
      ValueError: there is none; names those there are, and the nearest.
    """
    if name not in ACTIVATIONS:
        known = ", ".join(ACTIVATIONS)
        raise ValueError(f"no activation {name!r} (there are {known}){nearest(name, ACTIVATIONS)}")
    return ACTIVATIONS[name]()
