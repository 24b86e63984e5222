"""Sparse video tubes: small boxes of video, spread out, each of which becomes one token.

After TubeViT (arXiv 2212.03229): a few kinds of tube, each a convolution without padding and with a
stride that leaves much of the video unseen, so that many frames cost few tokens. One axis of a tube
with kernel 4, stride 6, offset 1 (digits: the token that sees the sample):

    sample   0  1  2  3  4  5  6  7  8  9 10 11 12
    token       0  0  0  0        1  1  1  1            centres 2.5 and 8.5
                                              ^ a third would need 13 to 16: left out (VALID)
"""

from __future__ import annotations

import dataclasses
import math

import torch
from torch import nn

from mirasol.models.positions import sincos_positions

Sizes = tuple[int, int, int]
"""Frames, rows (px) and columns (px)."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tube:
    """One kind of tube.

    Space-to-depth makes a token of several neighbouring smaller ones: with (1, 2, 2) the video is
    cut at half the stride along rows and columns, each piece is projected to a quarter of the
    width, and the four neighbours stand side by side on the channels. A token sees more of the
    video for no more parameters. The paper's "2x" and "4x" are (2, 1, 1) and (1, 2, 2) here.

    Args:
      kernel: what one piece covers.
      stride: from token to token; a multiple of space_to_depth.
      offset: where the first token begins.
      space_to_depth: how many pieces a token has along each axis.

    Raises:
      ValueError: a size is out of range, or the stride is no multiple of space_to_depth.
    """

    kernel: Sizes
    stride: Sizes
    offset: Sizes = (0, 0, 0)
    space_to_depth: Sizes = (1, 1, 1)

    def __post_init__(self) -> None:
        least = {"kernel": 1, "stride": 1, "offset": 0, "space_to_depth": 1}
        for name, smallest in least.items():
            sizes = getattr(self, name)
            if len(sizes) != 3 or any(type(s) is not int or s < smallest for s in sizes):
                raise ValueError(
                    f"Tube.{name} is {sizes}; it must be three whole numbers of at least "
                    f"{smallest}: frames, rows, columns"
                )
        if any(s % pieces for s, pieces in zip(self.stride, self.space_to_depth, strict=True)):
            raise ValueError(
                f"Tube.stride {self.stride} is not a multiple of space_to_depth "
                f"{self.space_to_depth}; its pieces lie a part of the stride apart"
            )

    @property
    def step(self) -> Sizes:
        """The distance from piece to piece."""
        frames, rows, columns = (
            s // p for s, p in zip(self.stride, self.space_to_depth, strict=True)
        )
        return frames, rows, columns

    @property
    def span(self) -> Sizes:
        """What one token covers, from the first sample of its first piece to the last's last."""
        frames, rows, columns = (
            k + (pieces - 1) * step
            for k, pieces, step in zip(self.kernel, self.space_to_depth, self.step, strict=True)
        )
        return frames, rows, columns

    def counts(self, extents: Sizes) -> Sizes:
        """Returns how many tokens fit along each axis of a video; 0 or less if none does."""
        frames, rows, columns = (
            (extent - offset - span) // stride + 1
            for extent, offset, span, stride in zip(
                extents, self.offset, self.span, self.stride, strict=True
            )
        )
        return frames, rows, columns

    def centres(self, extents: Sizes) -> torch.Tensor:
        """Returns the centres of the tokens in input coordinates, float32 [N, 3], row-major.

        The centre of the samples `i` to `j` is (i + j) / 2, and a token's is that of all its
        pieces; the paper leaves the position after space-to-depth open.
        """
        axes = [
            torch.arange(count, dtype=torch.float32) * stride + offset + (span - 1) / 2
            for count, stride, offset, span in zip(
                self.counts(extents), self.stride, self.offset, self.span, strict=True
            )
        ]
        return torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1).flatten(end_dim=-2)

    def samples(self, extents: Sizes) -> list[torch.Tensor]:
        """Returns for each axis which samples the pieces see, int64 [tokens * pieces * kernel]."""
        found = []
        for axis, count in enumerate(self.counts(extents)):
            piece_X1 = torch.arange(count * self.space_to_depth[axis])[:, None]
            within_1X = torch.arange(self.kernel[axis])
            start_X1 = self.offset[axis] + piece_X1 * self.step[axis]
            found.append((start_X1 + within_1X).flatten())
        return found


class TubeTokens(nn.Module):
    """Cuts a chunk into the tubes of one kind and projects each to a token.

    Args:
      tube: which.
      extents: frames, rows and columns of a chunk.
      width: D.

    Raises:
      ValueError: no such tube fits the chunk, or the width does not divide among its pieces.
    """

    frames_X: torch.Tensor
    rows_X: torch.Tensor
    columns_X: torch.Tensor
    positions_ND: torch.Tensor

    def __init__(self, tube: Tube, extents: Sizes, width: int):
        super().__init__()
        pieces = math.prod(tube.space_to_depth)
        _check_fit(tube, extents, width, pieces)
        self.tube = tube
        self.counts = tube.counts(extents)
        self.tokens = math.prod(self.counts)
        self.project = nn.Linear(math.prod(tube.kernel) * 3, width // pieces)
        names = ("frames_X", "rows_X", "columns_X")
        for name, samples_X in zip(names, tube.samples(extents), strict=True):
            self.register_buffer(name, samples_X, persistent=False)
        positions_ND = sincos_positions(tube.centres(extents), width)
        self.register_buffer("positions_ND", positions_ND, persistent=False)

    def cut(self, video_BFHWC: torch.Tensor) -> torch.Tensor:
        """Cuts a chunk of any dtype into [B, N, pieces of a token, values of a piece].

        Sampled axis by axis while a value is one byte, and only what some tube sees: on 224 px a
        convolution would first need the whole chunk as floats, several times what the tubes hold.
        `unfold` would save the copies in between, but torch_xla leaves it to the CPU.
        """
        seen = video_BFHWC.index_select(1, self.frames_X)
        seen = seen.index_select(2, self.rows_X).index_select(3, self.columns_X)
        split = [len(seen)]
        axes = zip(self.counts, self.tube.space_to_depth, self.tube.kernel, strict=True)
        for sizes in axes:
            split += sizes
        # 1-3 frames, 4-6 rows, 7-9 columns, each: tokens, pieces, samples of a piece.
        apart = seen.reshape(*split, -1).permute(0, 1, 4, 7, 2, 5, 8, 3, 6, 9, 10)
        return apart.flatten(7).flatten(4, 6).flatten(1, 3)

    def forward(self, video_BFHWC: torch.Tensor) -> torch.Tensor:
        """Maps uint8 video to tokens [B, N, D], each with the position of its centre."""
        pieces_BNXX = self.cut(video_BFHWC).to(self.project.weight.dtype)
        pieces_BNXX = pieces_BNXX.div_(127.5).sub_(1.0)
        return self.project(pieces_BNXX).flatten(2) + self.positions_ND


def _check_fit(tube: Tube, extents: Sizes, width: int, pieces: int) -> None:
    if min(tube.counts(extents)) < 1:
        reach = tuple(o + s for o, s in zip(tube.offset, tube.span, strict=True))
        raise ValueError(
            f"{tube} needs {reach} frames, rows and columns, and a chunk has {extents}: shorten "
            "its kernel or offset, or raise chunk_frames or image_size"
        )
    if width % pieces:
        raise ValueError(
            f"width {width} is not a multiple of {pieces}, the pieces of a token of {tube}"
        )


def tubes_of_tubevit() -> tuple[Tube, ...]:
    """Returns TubeViT's own four; 98 + 147 + 98 + 196 tokens of 32 frames of 224 px.

    They need at least 20 frames. Which tubes Mirasol3B has is not known.
    """
    return (
        Tube(kernel=(8, 8, 8), stride=(16, 32, 32), space_to_depth=(2, 1, 1)),
        Tube(kernel=(16, 4, 4), stride=(6, 32, 32), offset=(4, 8, 8), space_to_depth=(1, 2, 2)),
        Tube(kernel=(4, 12, 12), stride=(16, 32, 32), offset=(0, 16, 16)),
        Tube(kernel=(1, 16, 16), stride=(32, 16, 16)),
    )


def tubes_for_short_chunks() -> tuple[Tube, ...]:
    """Returns four for chunks of 8 frames; 49 + 49 + 98 + 196 tokens at 224 px.

    Ours: Mirasol3B's are not known, and TubeViT's do not fit its chunks of 8 frames. Rows and
    columns are TubeViT's; in time each keeps its role:

    - 8x8x8, what moves: the chunk from end to end. No two fit in time, so no space-to-depth.
    - 8x4x4, fine and long: the 16-frame tube cut to the chunk, without its offset in time.
    - 4x12x12, wide and short: two, which together see every frame.
    - 1x16x16, what is there: the patches of the chunk's first frame, as an image ViT has them.
    """
    return (
        Tube(kernel=(8, 8, 8), stride=(8, 32, 32)),
        Tube(kernel=(8, 4, 4), stride=(8, 32, 32), offset=(0, 8, 8), space_to_depth=(1, 2, 2)),
        Tube(kernel=(4, 12, 12), stride=(4, 32, 32), offset=(0, 16, 16)),
        Tube(kernel=(1, 16, 16), stride=(8, 16, 16)),
    )


def tubes_for_images() -> tuple[Tube, ...]:
    """Returns an image ViT's patches of 16x16 px, for chunks of one frame: single images.

    Of a longer chunk every frame is cut; 196 tokens a frame at 224 px.
    """
    return (Tube(kernel=(1, 16, 16), stride=(1, 16, 16)),)
