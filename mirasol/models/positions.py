"""Fixed sine and cosine positions, computed from coordinates and never learned.

A clip of 512 frames needs no more parameters than one of 16: nothing here is a parameter.
"""

from __future__ import annotations

import torch


def sincos_positions(
    coordinates_NX: torch.Tensor, width: int, max_period: float = 10_000.0
) -> torch.Tensor:
    """Encodes points by sines and cosines of each of their X coordinates.

    Each coordinate gets width // (2 * X) frequencies, geometric from 1 to 1 / max_period
    (TubeViT, arXiv 2212.03229: tau = 10,000 and d / 6 frequencies for each of t, x, y).
    What is left over of the width stays zero.

    Args:
      coordinates_NX: [..., X], points in input units (frames, px, columns, chunks, tokens).
      width: D.
      max_period: tau.

    Returns:
      float32 [..., D].

    Raises:
      ValueError: the width has no room for one sine and cosine a coordinate.
    """
    axes = coordinates_NX.shape[-1]
    count = width // (2 * axes)
    if count == 0:
        raise ValueError(
            f"width {width} is too small for {axes} coordinates; use at least {2 * axes}"
        )
    exponents = torch.arange(count, dtype=torch.float32, device=coordinates_NX.device) / count
    frequencies = max_period**-exponents
    angles_NXf = coordinates_NX.to(torch.float32)[..., None] * frequencies
    encoded_NXf = torch.cat([angles_NXf.sin(), angles_NXf.cos()], dim=-1)
    encoded_ND = encoded_NXf.flatten(start_dim=-2)
    return torch.nn.functional.pad(encoded_ND, (0, width - encoded_ND.shape[-1]))


def chunk_positions(x_BTXD: torch.Tensor) -> torch.Tensor:
    """Encodes the number of each chunk, on the device and in the dtype of x: [T, 1, D]."""
    _, T, _, D = x_BTXD.shape
    number_T1 = torch.arange(T, device=x_BTXD.device)[:, None]
    return sincos_positions(number_T1, D).to(x_BTXD.dtype)[:, None]


def grid_centres(
    sizes: tuple[int, ...], strides: tuple[int, ...], lengths: tuple[int, ...] | None = None
) -> torch.Tensor:
    """Returns the centres of the patches of an array, in its coordinates, row-major.

    The first centre along an axis cut every 4 samples is at 1.5, between samples 1 and 2.

    Args:
      sizes: how many patches lie along each of the X axes.
      strides: how far they lie apart along each.
      lengths: how long a patch is along each; None: as far as they lie apart, they tile the array.

    Returns:
      float32 [N, X].
    """
    axes = [
        torch.arange(size, dtype=torch.float32) * stride + (length - 1) / 2
        for size, stride, length in zip(sizes, strides, lengths or strides, strict=True)
    ]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1).flatten(end_dim=-2)
