"""Tables of positions for our grids of patches, made of theirs."""

from __future__ import annotations

import torch
from torch.nn import functional


def resampled(
    table_ND: torch.Tensor, before: int, after: int, antialias: bool = False
) -> torch.Tensor:
    """Returns a table of before x before places for after x after, by bicubic interpolation.

    Args:
      table_ND: row-major.
      before: its rows, and columns.
      after: those wanted.
      antialias: whether it is smoothed first, where there will be fewer.
    """
    if before == after:
        return table_ND
    grid_1DHW = table_ND.unflatten(0, (before, before)).permute(2, 0, 1)[None]
    grid_1DHW = functional.interpolate(
        grid_1DHW, size=(after, after), mode="bicubic", align_corners=False, antialias=antialias
    )
    return grid_1DHW[0].flatten(1).T


def videomae_table(count: int, width: int) -> torch.Tensor:
    """Returns VideoMAE's fixed positions: sines of the number of the token (arXiv 2203.12602).

    Channels 2 i and 2 i + 1 hold the sine and the cosine of n / 10,000^(2 i / D).

    Returns:
      float32 [count, D].
    """
    number_N1 = torch.arange(count, dtype=torch.float64)[:, None]
    channel_D = torch.arange(width)
    exponent_D = 2 * torch.div(channel_D, 2, rounding_mode="floor").double() / width
    angle_ND = number_N1 / 10_000.0**exponent_D
    return torch.where(channel_D % 2 == 0, angle_ND.sin(), angle_ND.cos()).float()
