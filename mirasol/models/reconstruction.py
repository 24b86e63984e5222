"""Reconstruction of a chunk's video from the latent model's output (training only)."""

from __future__ import annotations

import abc

import torch
from torch import nn

from mirasol.models.losses import cosine_loss
from mirasol.models.positions import grid_centres, sincos_positions
from mirasol.models.transformer import Transformer


class Reconstruction(nn.Module, abc.ABC):
    """Turns h_t into a loss on the chunk's media."""

    @abc.abstractmethod
    def forward(
        self, h_BTMD: torch.Tensor, video_BTFHWC: torch.Tensor, has_video_BT: torch.Tensor
    ) -> torch.Tensor:
        """Returns the scalar loss, float32."""


class NoReconstruction(Reconstruction):
    """The part switched off: a loss of 0."""

    def forward(
        self, h_BTMD: torch.Tensor, video_BTFHWC: torch.Tensor, has_video_BT: torch.Tensor
    ) -> torch.Tensor:
        """Returns 0, on the device of h."""
        return h_BTMD.new_zeros((), dtype=torch.float32)


class VideoReconstruction(Reconstruction):
    """A small transformer over h_t and mask tokens that predicts patches of the small video.

    The paper reconstructs "at a smaller size" and does not state it. Frames are averaged down by
    `shrink` and every `frame_step`-th is kept; each patch is one mask token. The measure
    is the cosine, as for the latents: likely the paper's, which our sources do not spell out.

    Args:
      chunk_frames: F.
      image_size: H = W, px.
      in_width: D of h.
      width: D of this transformer.
      layers: its blocks.
      heads: K.
      shrink: how many times smaller the frames are; must divide the image size.
      frame_step: which frames are kept; must divide the chunk's frames.
      patch: rows and columns of a patch of the small frame; must divide its size.
      next_chunk: whether h_t predicts chunk t + 1 rather than t (the paper is ambiguous).
    """

    positions_ND: torch.Tensor

    def __init__(
        self,
        *,
        chunk_frames: int,
        image_size: int,
        in_width: int,
        width: int,
        layers: int,
        heads: int,
        shrink: int = 4,
        frame_step: int = 4,
        patch: int = 4,
        next_chunk: bool = False,
    ):
        super().__init__()
        if chunk_frames % frame_step or image_size % (shrink * patch):
            raise ValueError(
                f"VideoReconstruction: frame_step {frame_step} must divide {chunk_frames} frames, "
                f"and shrink {shrink} times patch {patch} must divide {image_size} px"
            )
        self.shrink, self.frame_step, self.patch = shrink, frame_step, patch
        self.next_chunk = next_chunk
        side = image_size // shrink // patch
        centres = grid_centres((chunk_frames // frame_step, side, side), (frame_step, patch, patch))
        self.register_buffer("positions_ND", sincos_positions(centres, width), persistent=False)
        self.mask_D = nn.Parameter(torch.randn(width) * 0.02)
        self.into = nn.Linear(in_width, width)
        self.transformer = Transformer(width, layers, heads)
        self.out = nn.Linear(width, patch * patch * 3)

    def forward(
        self, h_BTMD: torch.Tensor, video_BTFHWC: torch.Tensor, has_video_BT: torch.Tensor
    ) -> torch.Tensor:
        """Returns the mean of 1 - cos over the patches of chunks that have pictures, float32."""
        ahead = 1 if self.next_chunk else 0
        predicted_BTNX = self.predict(h_BTMD[:, : h_BTMD.shape[1] - ahead])
        target_BTNX = self.small_patches(video_BTFHWC[:, ahead:])
        valid_BTN = has_video_BT[:, ahead:, None].expand(target_BTNX.shape[:-1])
        return cosine_loss(predicted_BTNX, target_BTNX, valid_BTN)

    def predict(self, h_BTMD: torch.Tensor) -> torch.Tensor:
        """Predicts the small patches of each chunk: [B, T, N, patch * patch * 3]."""
        B, T = h_BTMD.shape[:2]
        memory_XMD = self.into(h_BTMD).flatten(0, 1)
        masks_ND = self.mask_D + self.positions_ND
        tokens_XLD = torch.cat([memory_XMD, masks_ND.expand(B * T, -1, -1)], dim=1)
        out_XND = self.transformer(tokens_XLD)[:, -masks_ND.shape[0] :]
        return self.out(out_XND).unflatten(0, (B, T))

    def small_patches(self, video_BTFHWC: torch.Tensor) -> torch.Tensor:
        """Shrinks uint8 video and cuts it: float [B, T, N, patch * patch * 3] in [-1, 1]."""
        kept = video_BTFHWC[:, :, :: self.frame_step]
        B, T, F, H, W, C = kept.shape
        s, p = self.shrink, self.patch
        small = kept.reshape(B, T, F, H // s, s, W // s, s, C).to(self.mask_D.dtype).mean((4, 6))
        small = small / 127.5 - 1.0
        cut = small.reshape(B, T, F, H // s // p, p, W // s // p, p, C)
        return cut.permute(0, 1, 2, 3, 5, 4, 6, 7).reshape(B, T, -1, p * p * C)
