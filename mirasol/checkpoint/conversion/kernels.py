"""Kernels of patch convolutions as the matrix of our PatchGrid, which takes pixels in [-1, 1]."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch

Inflation = Literal["centre", "average"]
"""How a kernel of pictures becomes one of tubes: all on the central frame, or spread evenly."""


def inflated(kernel_DCHW: torch.Tensor, frames: int, inflation: Inflation) -> torch.Tensor:
    """Returns the kernel of tubes of so many frames, which on a still picture gives the same.

    "average" (I3D, arXiv 1705.07750) sees the mean of a tube's frames; "centre" (ViViT, arXiv
    2103.15691) sees its central frame, number frames // 2 from 0, and learns of the others later.

    Returns:
      [D, C, frames, H, W].
    """
    if inflation == "average":
        return kernel_DCHW[:, :, None].expand(-1, -1, frames, -1, -1) / frames
    tube_DCTHW = torch.zeros(*kernel_DCHW.shape[:2], frames, *kernel_DCHW.shape[2:])
    tube_DCTHW[:, :, frames // 2] = kernel_DCHW
    return tube_DCTHW


def as_matrix(kernel: torch.Tensor) -> torch.Tensor:
    """Returns [D, C, *patch] as [D, values of a patch], channels innermost, as PatchGrid cuts."""
    return kernel.movedim(1, -1).flatten(1)


def for_our_pixels(
    weight_DX: torch.Tensor, bias_D: torch.Tensor, mean: Sequence[float], std: Sequence[float]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Folds the scaling of pixels into a projection: theirs are standardised, ours in [-1, 1].

    With p in [0, 1], theirs is (p - mean) / std and ours u = 2 p - 1, so that theirs is
    u / (2 std) + (1/2 - mean) / std.

    Args:
      weight_DX: for their pixels, channels innermost.
      bias_D: for their pixels.
      mean: of each channel.
      std: of each channel.
    """
    channels = len(mean)
    mean_C = torch.tensor(mean, dtype=torch.float64)
    std_C = torch.tensor(std, dtype=torch.float64)
    weight_DXC = weight_DX.double().unflatten(1, (-1, channels))
    bias_D = bias_D.double() + (weight_DXC * ((0.5 - mean_C) / std_C)).sum(dim=(1, 2))
    return (weight_DXC / (2 * std_C)).flatten(1).float(), bias_D.float()
