"""Patches that tile an array, of pictures over time or of a spectrogram: one token each."""

from __future__ import annotations

import math

import torch
from torch import nn

from mirasol.models.positions import grid_centres, sincos_positions


class PatchGrid(nn.Module):
    """Cuts an array into patches that do not overlap and projects each to the width.

    Args:
      extents: length of the array along each axis (channels not counted).
      patch: length of a patch along each axis; must divide the extents.
      channels: values at each point.
      width: D of the tokens.

    Raises:
      ValueError: a patch does not divide its extent.
    """

    positions_ND: torch.Tensor

    def __init__(self, extents: tuple[int, ...], patch: tuple[int, ...], channels: int, width: int):
        super().__init__()
        if len(extents) != len(patch) or any(e % p for e, p in zip(extents, patch, strict=False)):
            raise ValueError(
                f"patches of {patch} do not tile an input of {extents}; "
                "each size must divide its extent"
            )
        self.patch = tuple(patch)
        self.counts = tuple(e // p for e, p in zip(extents, patch, strict=True))
        self.tokens = math.prod(self.counts)
        self.project = nn.Linear(math.prod(patch) * channels, width)
        positions = sincos_positions(grid_centres(self.counts, self.patch), width)
        self.register_buffer("positions_ND", positions, persistent=False)

    def cut(self, array: torch.Tensor) -> torch.Tensor:
        """Cuts [B, *extents, channels] of any dtype into [B, N, values of a patch], row-major."""
        split = [array.shape[0]]
        for count, size in zip(self.counts, self.patch, strict=True):
            split += [count, size]
        axes = len(self.patch)
        order = [0, *range(1, 2 * axes, 2), *range(2, 2 * axes + 1, 2), 2 * axes + 1]
        patches = array.reshape(*split, array.shape[-1]).permute(*order)
        return patches.flatten(axes + 1).flatten(1, axes)

    def forward(self, patches_BNX: torch.Tensor) -> torch.Tensor:
        """Maps cut patches to tokens [B, N, D]: projected, with the position of their centre."""
        return self.project(patches_BNX) + self.positions_ND
