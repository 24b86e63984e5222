"""Encoders of one chunk: video tubelets and spectrogram patches, each through a ViT.

Mirasol3B encodes a chunk's video with a ViT over sparse tubes and 2-D patches, and its spectrogram,
as a picture, with a ViT; whether the two share weights is unclear. Here each has its own, and the
video is cut into tubelets of one size. The paper states none of the widths, depths and patch sizes.
"""

from __future__ import annotations

import math

import torch
from torch import nn

from mirasol.models.positions import grid_centres, sincos_positions
from mirasol.models.transformer import Transformer


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


class VideoEncoder(nn.Module):
    """ViT over the tubelets of one chunk.

    Args:
      chunk_frames: F.
      image_size: H = W, px.
      tubelet: frames, rows and columns of a tubelet; each must divide its extent.
      width: D inside the ViT.
      out_width: D of the tokens handed on.
      layers: blocks of the ViT.
      heads: K.
      dropout: probability.
    """

    def __init__(
        self,
        *,
        chunk_frames: int,
        image_size: int,
        tubelet: tuple[int, int, int],
        width: int,
        out_width: int,
        layers: int,
        heads: int,
        dropout: float = 0.0,
    ):
        super().__init__()
        self.patches = PatchGrid((chunk_frames, image_size, image_size), tubelet, 3, width)
        self.transformer = Transformer(width, layers, heads, dropout)
        self.out = nn.Linear(width, out_width)
        self.tokens = self.patches.tokens

    def forward(self, video_BFHWC: torch.Tensor) -> torch.Tensor:
        """Encodes chunks of uint8 video to tokens [B, N, out_width]."""
        # Cut while a value is one byte, then scaled in place: a quarter of the memory traffic.
        patches_BNX = self.patches.cut(video_BFHWC).to(self.out.weight.dtype)
        patches_BNX = patches_BNX.div_(127.5).sub_(1.0)
        return self.out(self.transformer(self.patches(patches_BNX)))


class AudioEncoder(nn.Module):
    """ViT over the patches of the spectrogram of one chunk.

    Args:
      chunk_bands: A, columns of a chunk.
      mel_bins: S.
      patch: columns and mel bins of a patch; each must divide its extent.
      width: D inside the ViT.
      out_width: D of the tokens handed on.
      layers: blocks of the ViT.
      heads: K.
      dropout: probability.
    """

    def __init__(
        self,
        *,
        chunk_bands: int,
        mel_bins: int,
        patch: tuple[int, int],
        width: int,
        out_width: int,
        layers: int,
        heads: int,
        dropout: float = 0.0,
    ):
        super().__init__()
        self.patches = PatchGrid((chunk_bands, mel_bins), patch, 1, width)
        self.transformer = Transformer(width, layers, heads, dropout)
        self.out = nn.Linear(width, out_width)
        self.tokens = self.patches.tokens

    def forward(self, audio_BAS: torch.Tensor) -> torch.Tensor:
        """Encodes chunks of float spectrogram to tokens [B, N, out_width]."""
        patches_BNX = self.patches.cut(audio_BAS[..., None]).to(self.out.weight.dtype)
        return self.out(self.transformer(self.patches(patches_BNX)))
