"""Encoders of one chunk: video tubelets or tubes, and spectrogram patches, each through a ViT.

Mirasol3B encodes a chunk's video with a ViT over sparse tubes and 2-D patches, and its spectrogram,
as a picture, with a ViT. Whether the two share weights is unclear: by default each has its own, and
both take one from outside. The paper states none of the widths, depths and patch sizes.

    VideoEncoder      tubelets of one size that tile the chunk (patches.py)
    TubeVideoEncoder  sparse tubes of several kinds (tubes.py), after TubeViT
    AudioEncoder      patches of the spectrogram, which tile it or overlap (patches.py)
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from mirasol.models.patches import PatchGrid
from mirasol.models.transformer import Transformer
from mirasol.models.tubes import Tube, TubeTokens
from mirasol.numbers import require_positive


class VideoEncoder(nn.Module):
    """ViT over the tubelets of one chunk, which tile it.

    A tubelet of (1, p, p) is the 2-D patch of an image ViT, on every frame.

    Args:
      chunk_frames: F, frames of a chunk.
      image_size: H = W, height and width of a frame, px.
      tubelet: frames, rows and columns of a tubelet; each must divide its extent.
      width: D inside the ViT.
      out_width: D of the tokens handed on.
      layers: blocks of the ViT.
      heads: K, attention heads.
      dropout: probability of dropout.
      transformer: a ViT made elsewhere, in place of layers, heads and dropout: one that another
        encoder has too, or one with further options. Its width must be `width`.
      learned_positions: whether positions are parameters, as in most pretrained ViTs, which start
        as the fixed ones; a chunk then keeps its size for good.
      class_tokens: learned tokens before the tubelets, as a ViT's CLS token or DINOv2's registers;
        they are handed on with the others.

    Attributes:
      tokens: N, with the class tokens.

    Raises:
      ValueError: sizes that do not fit, or both or neither of layers and heads and a transformer.
    """

    def __init__(
        self,
        *,
        chunk_frames: int,
        image_size: int,
        tubelet: tuple[int, int, int],
        width: int,
        out_width: int,
        layers: int | None = None,
        heads: int | None = None,
        dropout: float = 0.0,
        transformer: Transformer | None = None,
        learned_positions: bool = False,
        class_tokens: int = 0,
    ):
        super().__init__()
        require_positive("VideoEncoder", width=width, out_width=out_width)
        self.patches = PatchGrid(
            (chunk_frames, image_size, image_size),
            tubelet,
            3,
            width,
            learned_positions=learned_positions,
            class_tokens=class_tokens,
            owner="VideoEncoder",
        )
        self.transformer = _vit("VideoEncoder", width, layers, heads, dropout, transformer)
        self.out = nn.Linear(width, out_width)
        self.tokens = self.patches.tokens

    def forward(self, video_BFHWC: torch.Tensor) -> torch.Tensor:
        """Encodes chunks of uint8 video to tokens [B, N, out_width]."""
        # Cut while a value is one byte, then scaled in place: a quarter of the memory traffic.
        patches_BNX = self.patches.cut(video_BFHWC).to(self.out.weight.dtype)
        patches_BNX = patches_BNX.div_(127.5).sub_(1.0)
        return self.out(self.transformer(self.patches(patches_BNX)))


class TubeVideoEncoder(nn.Module):
    """ViT over sparse tubes of one chunk, all kinds of tubes in one sequence (arXiv 2212.03229).

    Tokens stand in the order of `tubes`.

    Args:
      chunk_frames: F, frames of a chunk.
      image_size: H = W, height and width of a frame, px.
      tubes: the kinds of tubes, such as `tubes_for_short_chunks()`.
      width: D inside the ViT; a multiple of the pieces of every tube (its space-to-depth).
      out_width: D of the tokens handed on.
      layers: blocks of the ViT.
      heads: K, attention heads.
      dropout: probability of dropout.
      transformer: see VideoEncoder.

    Attributes:
      tokens: N, over all tubes.

    Raises:
      ValueError: no tubes, one that does not fit the chunk or the width, or both or neither of
        layers and heads and a transformer.
    """

    def __init__(
        self,
        *,
        chunk_frames: int,
        image_size: int,
        tubes: Sequence[Tube],
        width: int,
        out_width: int,
        layers: int | None = None,
        heads: int | None = None,
        dropout: float = 0.0,
        transformer: Transformer | None = None,
    ):
        super().__init__()
        require_positive("TubeVideoEncoder", width=width, out_width=out_width)
        if not tubes:
            raise ValueError("TubeVideoEncoder.tubes is empty; give it at least one Tube")
        extents = (chunk_frames, image_size, image_size)
        kinds = [TubeTokens(tube, extents, width) for tube in tubes]
        self.tubes = tuple(tubes)
        self.kinds = nn.ModuleList(kinds)
        self.transformer = _vit("TubeVideoEncoder", width, layers, heads, dropout, transformer)
        self.out = nn.Linear(width, out_width)
        self.tokens = sum(kind.tokens for kind in kinds)

    def forward(self, video_BFHWC: torch.Tensor) -> torch.Tensor:
        """Encodes chunks of uint8 video to tokens [B, N, out_width]."""
        tokens_BND = torch.cat([kind(video_BFHWC) for kind in self.kinds], dim=1)
        return self.out(self.transformer(tokens_BND))


class AudioEncoder(nn.Module):
    """ViT over the patches of the spectrogram of one chunk.

    Args:
      chunk_bands: A, columns of a chunk.
      mel_bins: S, mel bins of the spectrogram.
      patch: columns and mel bins of a patch; without a stride each must divide its extent.
      width: D inside the ViT.
      out_width: D of the tokens handed on.
      layers: blocks of the ViT.
      heads: K, attention heads.
      dropout: probability of dropout.
      transformer: see VideoEncoder; the same object there and here shares the weights.
      stride: columns and mel bins from patch to patch, where they overlap as AST's do; None: they
        tile the chunk.
      learned_positions: see VideoEncoder.
      class_tokens: see VideoEncoder; AST has two.

    Attributes:
      tokens: N, with the class tokens.

    Raises:
      ValueError: sizes that do not fit, or both or neither of layers and heads and a transformer.
    """

    def __init__(
        self,
        *,
        chunk_bands: int,
        mel_bins: int,
        patch: tuple[int, int],
        width: int,
        out_width: int,
        layers: int | None = None,
        heads: int | None = None,
        dropout: float = 0.0,
        transformer: Transformer | None = None,
        stride: tuple[int, int] | None = None,
        learned_positions: bool = False,
        class_tokens: int = 0,
    ):
        super().__init__()
        require_positive("AudioEncoder", width=width, out_width=out_width)
        self.patches = PatchGrid(
            (chunk_bands, mel_bins),
            patch,
            1,
            width,
            stride=stride,
            learned_positions=learned_positions,
            class_tokens=class_tokens,
            owner="AudioEncoder",
        )
        self.transformer = _vit("AudioEncoder", width, layers, heads, dropout, transformer)
        self.out = nn.Linear(width, out_width)
        self.tokens = self.patches.tokens

    def forward(self, audio_BAS: torch.Tensor) -> torch.Tensor:
        """Encodes chunks of float spectrogram to tokens [B, N, out_width]."""
        patches_BNX = self.patches.cut(audio_BAS[..., None]).to(self.out.weight.dtype)
        return self.out(self.transformer(self.patches(patches_BNX)))


def _vit(
    owner: str,
    width: int,
    layers: int | None,
    heads: int | None,
    dropout: float,
    given: Transformer | None,
) -> Transformer:
    """Returns the transformer given, or a new one; never some of both."""
    if given is None:
        if layers is None or heads is None:
            raise ValueError(
                f"{owner}: layers is {layers} and heads is {heads}; set both, or pass a transformer"
            )
        return Transformer(width, layers, heads, dropout)
    if layers is not None or heads is not None or dropout:
        raise ValueError(
            f"{owner}: layers={layers}, heads={heads} and dropout={dropout} would have no effect "
            "beside the transformer given; set them there and leave them out here"
        )
    if given.width != width:
        raise ValueError(
            f"{owner}: width is {width}, that of the transformer given {given.width}; they must "
            "agree, so set both to one macro"
        )
    return given
