"""Reconstruction of a chunk's media from the latent model's output (training only).

h_t, M tokens ------into----+
                            +--transformer--out--> N patches <--1 - cos--> N small patches <-- media
N mask tokens + positions --+

Mirasol3B reconstructs the video "at a smaller size", which it does not state. Its equations name
the audio, too, its three losses do not: the class that is chosen decides. The measure is the
cosine, as for the latents: likely the paper's, which our sources do not spell out.
"""

from __future__ import annotations

import abc
from collections.abc import Mapping

import torch
from torch import nn

from mirasol.batch import Batch
from mirasol.models.losses import cosine_loss
from mirasol.models.positions import grid_centres, sincos_positions
from mirasol.models.transformer import Transformer
from mirasol.numbers import require_positive


class Reconstruction(nn.Module, abc.ABC):
    """Turns h_t into a loss on the chunk's media."""

    @abc.abstractmethod
    def forward(
        self, h_BTMD: torch.Tensor, batch: Batch, shares: Mapping[str, torch.Tensor] | None = None
    ) -> torch.Tensor:
        """Returns the scalar loss, float32.

        Args:
          h_BTMD: the latent model's outputs.
          batch: holds the media of the same chunks.
          shares: see `Mirasol.forward`.
        """

    @abc.abstractmethod
    def counts(self, batch: Batch) -> dict[str, torch.Tensor]:
        """Returns of how many chunks each mean in the loss is; see `Mirasol.counts`."""


class NoReconstruction(Reconstruction):
    """The part switched off: a loss of 0."""

    def forward(
        self, h_BTMD: torch.Tensor, batch: Batch, shares: Mapping[str, torch.Tensor] | None = None
    ) -> torch.Tensor:
        """Returns 0, on the device of h."""
        return h_BTMD.new_zeros((), dtype=torch.float32)

    def counts(self, batch: Batch) -> dict[str, torch.Tensor]:
        """Returns nothing: there is no mean."""
        return {}


class PatchReconstruction(Reconstruction, abc.ABC):
    """A small transformer over h_t and mask tokens, one a patch of the medium made smaller.

    Args:
      centres: where the N patches lie, see `grid_centres`.
      values: X, of a patch.
      in_width: D of h, which comes in.
      width: D of this transformer.
      layers: blocks of this transformer.
      heads: K, attention heads.
      next_chunk: whether h_t predicts chunk t + 1 rather than t (the paper is ambiguous).
    """

    positions_ND: torch.Tensor
    medium: str

    def __init__(
        self,
        *,
        centres: torch.Tensor,
        values: int,
        in_width: int,
        width: int,
        layers: int,
        heads: int,
        next_chunk: bool,
    ):
        super().__init__()
        self.next_chunk = next_chunk
        self.register_buffer("positions_ND", sincos_positions(centres, width), persistent=False)
        self.mask_D = nn.Parameter(torch.randn(width) * 0.02)
        self.into = nn.Linear(in_width, width)
        self.transformer = Transformer(width, layers, heads)
        self.out = nn.Linear(width, values)

    @abc.abstractmethod
    def target(self, batch: Batch) -> torch.Tensor:
        """Returns the patches of the small medium: [B, T, N, X]."""

    @abc.abstractmethod
    def has_medium(self, batch: Batch) -> torch.Tensor:
        """Returns which chunks have the medium: bool [B, T]."""

    def counts(self, batch: Batch) -> dict[str, torch.Tensor]:
        """See Reconstruction."""
        return {self.medium: self.has_medium(batch)[:, int(self.next_chunk) :].sum()}

    def forward(
        self, h_BTMD: torch.Tensor, batch: Batch, shares: Mapping[str, torch.Tensor] | None = None
    ) -> torch.Tensor:
        """Returns the mean of 1 - cos over the patches of chunks that have the medium, float32."""
        target_BTNX, has_BT = self.target(batch), self.has_medium(batch)
        ahead = int(self.next_chunk)
        predicted_BTNX = self.predict(h_BTMD[:, : h_BTMD.shape[1] - ahead])
        target_BTNX, valid_BT = target_BTNX[:, ahead:], has_BT[:, ahead:]
        # What an absent chunk holds may be NaN, which no weight of zero takes out of a mean.
        target_BTNX = target_BTNX.masked_fill(~valid_BT[..., None, None], 0.0)
        valid_BTN = valid_BT[..., None].expand(target_BTNX.shape[:-1])
        loss = cosine_loss(predicted_BTNX, target_BTNX, valid_BTN)
        return loss if shares is None else loss * shares[self.medium]

    def predict(self, h_BTMD: torch.Tensor) -> torch.Tensor:
        """Predicts the small patches of each chunk from its h alone: [B, T, N, X]."""
        B, T = h_BTMD.shape[:2]
        masks_XND = (self.mask_D + self.positions_ND).expand(B * T, -1, -1)
        tokens_XLD = torch.cat([self.into(h_BTMD).flatten(0, 1), masks_XND], dim=1)
        out_XND = self.transformer(tokens_XLD)[:, -masks_XND.shape[1] :]
        return self.out(out_XND).unflatten(0, (B, T))


class VideoReconstruction(PatchReconstruction):
    """Predicts patches of the small video.

    Frames are averaged down by `shrink` and every `frame_step`-th is kept; each patch is one mask
    token. The paper states none of the sizes.

    Args:
      chunk_frames: F, frames of a chunk.
      image_size: H = W, height and width of a frame, px.
      in_width: D of h, which comes in.
      width: D of this transformer.
      layers: blocks of this transformer.
      heads: K, attention heads.
      shrink: how many times smaller the frames are; must divide the image size.
      frame_step: which frames are kept; must divide the chunk's frames.
      patch: rows and columns of a patch of the small frame; must divide its size.
      next_chunk: whether h_t predicts chunk t + 1 rather than t (the paper is ambiguous).

    Raises:
      ValueError: a size below 1, or one that does not divide what it must.
    """

    medium = "video"

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
        require_positive("VideoReconstruction", shrink=shrink, frame_step=frame_step, patch=patch)
        if chunk_frames % frame_step or image_size % (shrink * patch):
            raise ValueError(
                f"VideoReconstruction: frame_step {frame_step} must divide {chunk_frames} frames "
                f"(chunk_frames), and shrink {shrink} times patch {patch} must divide {image_size} "
                "px (image_size)"
            )
        side = image_size // shrink // patch
        super().__init__(
            centres=grid_centres(
                (chunk_frames // frame_step, side, side), (frame_step, patch, patch)
            ),
            values=patch * patch * 3,
            in_width=in_width,
            width=width,
            layers=layers,
            heads=heads,
            next_chunk=next_chunk,
        )
        self.shrink, self.frame_step, self.patch = shrink, frame_step, patch

    def target(self, batch: Batch) -> torch.Tensor:
        """See PatchReconstruction."""
        return self.small_patches(batch.video_BTFHWC)

    def has_medium(self, batch: Batch) -> torch.Tensor:
        """See PatchReconstruction."""
        return batch.has_video_BT

    def small_patches(self, video_BTFHWC: torch.Tensor) -> torch.Tensor:
        """Shrinks uint8 video and cuts it: float [B, T, N, patch * patch * 3] in [-1, 1]."""
        kept = video_BTFHWC[:, :, :: self.frame_step]
        B, T, F, H, W, C = kept.shape
        s, p = self.shrink, self.patch
        small = kept.reshape(B, T, F, H // s, s, W // s, s, C).to(self.mask_D.dtype).mean((4, 6))
        small = small / 127.5 - 1.0
        cut = small.reshape(B, T, F, H // s // p, p, W // s // p, p, C)
        return cut.permute(0, 1, 2, 3, 5, 4, 6, 7).reshape(B, T, -1, p * p * C)


class AudioReconstruction(PatchReconstruction):
    """The same for sound: predicts patches of the chunk's spectrogram, averaged smaller.

    The paper states none of the sizes, nor whether it does this at all.

    Args:
      chunk_bands: A, columns of a chunk.
      mel_bins: S, mel bins of the spectrogram.
      in_width: D of h, which comes in.
      width: D of this transformer.
      layers: blocks of this transformer.
      heads: K, attention heads.
      shrink: columns and mel bins that are averaged into one value.
      patch: columns and mel bins of a patch of the small spectrogram; times `shrink` they must
        divide the spectrogram's.
      next_chunk: whether h_t predicts chunk t + 1 rather than t (the paper is ambiguous).

    Raises:
      ValueError: a size below 1, or one that does not divide what it must.
    """

    medium = "audio"

    def __init__(
        self,
        *,
        chunk_bands: int,
        mel_bins: int,
        in_width: int,
        width: int,
        layers: int,
        heads: int,
        shrink: tuple[int, int] = (2, 2),
        patch: tuple[int, int] = (4, 4),
        next_chunk: bool = False,
    ):
        columns, bins = shrink[0] * patch[0], shrink[1] * patch[1]
        if min(*shrink, *patch) < 1 or chunk_bands % columns or mel_bins % bins:
            raise ValueError(
                f"AudioReconstruction: shrink {shrink} times patch {patch} must divide "
                f"{chunk_bands} columns (chunk_bands) and {mel_bins} mel bins; all above 0"
            )
        super().__init__(
            centres=grid_centres((chunk_bands // columns, mel_bins // bins), patch),
            values=patch[0] * patch[1],
            in_width=in_width,
            width=width,
            layers=layers,
            heads=heads,
            next_chunk=next_chunk,
        )
        self.shrink, self.patch = shrink, patch

    def target(self, batch: Batch) -> torch.Tensor:
        """See PatchReconstruction."""
        return self.small_patches(batch.audio_BTAS)

    def has_medium(self, batch: Batch) -> torch.Tensor:
        """See PatchReconstruction."""
        return batch.has_audio_BT

    def small_patches(self, audio_BTAS: torch.Tensor) -> torch.Tensor:
        """Shrinks a spectrogram by averaging and cuts it: [B, T, N, values of a patch]."""
        B, T, A, S = audio_BTAS.shape
        (a, s), (p, q) = self.shrink, self.patch
        small = audio_BTAS.reshape(B, T, A // a, a, S // s, s).to(self.mask_D.dtype).mean((3, 5))
        cut = small.reshape(B, T, A // a // p, p, S // s // q, q)
        return cut.transpose(3, 4).reshape(B, T, -1, p * q)


class VideoAndAudioReconstruction(Reconstruction):
    """The sum of the two; a clip without sound leaves the pictures' loss as it is.

    Args:
      video: of the pictures.
      audio: of the spectrogram.
    """

    def __init__(self, *, video: VideoReconstruction, audio: AudioReconstruction):
        super().__init__()
        self.video = video
        self.audio = audio

    def forward(
        self, h_BTMD: torch.Tensor, batch: Batch, shares: Mapping[str, torch.Tensor] | None = None
    ) -> torch.Tensor:
        """Returns the sum of both losses, float32."""
        return self.video(h_BTMD, batch, shares) + self.audio(h_BTMD, batch, shares)

    def counts(self, batch: Batch) -> dict[str, torch.Tensor]:
        """See Reconstruction."""
        return self.video.counts(batch) | self.audio.counts(batch)
