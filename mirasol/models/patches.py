"""Patches of an array, of pictures over time or of a spectrogram: one token each.

They tile it, or overlap with a stride of their own. One axis with patches of 4 and a stride of 3:

    sample   0  1  2  3  4  5  6  7  8  9 10 11
    token    0  0  0  0
                      1  1  1  1
                               2  2  2  2        a fourth would need 9 to 12: left out
"""

from __future__ import annotations

import math

import torch
from torch import nn

from mirasol.models.positions import grid_centres, sincos_positions


class PatchGrid(nn.Module):
    """Cuts an array into patches and projects each to the width.

    Args:
      extents: length of the array along each axis (channels not counted).
      patch: length of a patch along each axis; without a stride it must divide the extents.
      channels: values at each point.
      width: D of the tokens.
      stride: from patch to patch along each axis; None: the patches tile the array.
      learned_positions: whether positions are parameters, which start as the fixed ones; they hold
        for these extents alone.
      class_tokens: learned tokens that stand before the patches.
      owner: whose parameters these are, for errors.

    Attributes:
      counts: patches along each axis.
      tokens: N, with the class tokens.

    Raises:
      ValueError: a patch does not divide its extent or is longer, a stride is below 1, or
        class_tokens below 0.
    """

    positions_ND: torch.Tensor

    def __init__(
        self,
        extents: tuple[int, ...],
        patch: tuple[int, ...],
        channels: int,
        width: int,
        *,
        stride: tuple[int, ...] | None = None,
        learned_positions: bool = False,
        class_tokens: int = 0,
        owner: str = "PatchGrid",
    ):
        super().__init__()
        self.patch = tuple(patch)
        self.stride = None if stride is None else tuple(stride)
        self.counts = _counts(owner, tuple(extents), self.patch, self.stride)
        self.project = nn.Linear(math.prod(patch) * channels, width)
        centres = grid_centres(self.counts, self.stride or self.patch, self.patch)
        positions = sincos_positions(centres, width)
        if learned_positions:
            self.positions_ND = nn.Parameter(positions)
        else:
            self.register_buffer("positions_ND", positions, persistent=False)
        if class_tokens < 0:
            raise ValueError(f"{owner}.class_tokens is {class_tokens}; it must be 0 or more")
        self.first = ClassTokens(class_tokens, width) if class_tokens else NoClassTokens()
        self.tokens = class_tokens + math.prod(self.counts)

    def cut(self, array: torch.Tensor) -> torch.Tensor:
        """Cuts [B, *extents, channels] of any dtype into [B, patches, values of one], row-major."""
        if self.stride is not None:
            array = self._apart(array, self.stride)
        split = [array.shape[0]]
        for count, size in zip(self.counts, self.patch, strict=True):
            split += [count, size]
        axes = len(self.patch)
        order = [0, *range(1, 2 * axes, 2), *range(2, 2 * axes + 1, 2), 2 * axes + 1]
        patches = array.reshape(*split, array.shape[-1]).permute(*order)
        return patches.flatten(axes + 1).flatten(1, axes)

    def forward(self, patches_BNX: torch.Tensor) -> torch.Tensor:
        """Maps cut patches to tokens [B, N, D]: projected, with the position of their centre."""
        return self.first(self.project(patches_BNX) + self.positions_ND)

    def _apart(self, array: torch.Tensor, strides: tuple[int, ...]) -> torch.Tensor:
        """Lays overlapping patches side by side, so that they tile what is returned."""
        axes = zip(self.counts, self.patch, strides, strict=True)
        for axis, (count, size, stride) in enumerate(axes, start=1):
            start_X1 = torch.arange(count, device=array.device)[:, None] * stride
            within_1X = torch.arange(size, device=array.device)
            array = array.index_select(axis, (start_X1 + within_1X).flatten())
        return array


class ClassTokens(nn.Module):
    """Learned tokens before the patches: a ViT's CLS token, AST's two, DINOv2's registers.

    Args:
      count: how many.
      width: D.
    """

    def __init__(self, count: int, width: int):
        super().__init__()
        self.tokens_ND = nn.Parameter(torch.randn(count, width) * 0.02)

    def forward(self, patches_BND: torch.Tensor) -> torch.Tensor:
        """Returns the learned tokens and the patches, [B, count + N, D]."""
        first_BND = self.tokens_ND.to(patches_BND.dtype).expand(len(patches_BND), -1, -1)
        return torch.cat([first_BND, patches_BND], dim=1)


class NoClassTokens(nn.Module):
    """No such tokens."""

    def forward(self, patches_BND: torch.Tensor) -> torch.Tensor:
        """Returns the patches themselves."""
        return patches_BND


def _counts(
    owner: str, extents: tuple[int, ...], patch: tuple[int, ...], stride: tuple[int, ...] | None
) -> tuple[int, ...]:
    if stride is None:
        if len(extents) != len(patch) or any(e % p for e, p in zip(extents, patch, strict=False)):
            raise ValueError(
                f"{owner}: patches of {patch} do not tile an input of {extents}; "
                "each size must divide its extent"
            )
        return tuple(e // p for e, p in zip(extents, patch, strict=True))
    if not len(extents) == len(patch) == len(stride) or min(stride) < 1:
        raise ValueError(
            f"{owner}: stride {stride} of patches of {patch} on an input of {extents}; it must "
            "have a whole number above 0 for each"
        )
    if any(p > e for e, p in zip(extents, patch, strict=True)):
        raise ValueError(
            f"{owner}: no patch of {patch} fits an input of {extents}; make it smaller"
        )
    return tuple((e - p) // s + 1 for e, p, s in zip(extents, patch, stride, strict=True))
