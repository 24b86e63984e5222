"""What becomes of a parameter that has another shape in the model than where it comes from.

Mirasol's positions are computed, so another number of frames or chunks, or another resolution,
changes no shape. What does: the number of learned tokens (slots, latents, a memory), a vocabulary,
and the learned positions of an encoder of one's own.
"""

from __future__ import annotations

import abc
import dataclasses
import math
from collections.abc import Sequence

import torch
from torch.nn import functional

from mirasol.named import TensorNames

Shape = tuple[int, ...]

_MODES = {1: "linear", 2: "bilinear", 3: "trilinear"}


class Reshape(abc.ABC):
    """A rule for parameters of another shape.

    Attributes:
      names: patterns of the model's parameters that it is for.
    """

    names: Sequence[TensorNames]

    @abc.abstractmethod
    def refusal(self, old: Shape, new: Shape) -> str:
        """Returns why it cannot make the new shape of the old one, "" if it can."""

    @abc.abstractmethod
    def __call__(self, old: torch.Tensor, fresh: torch.Tensor) -> torch.Tensor:
        """Returns the parameter in its new shape, in the dtype of `fresh`.

        Args:
          old: as it was stored, on the host.
          fresh: as the seed made it, on the host.
        """


@dataclasses.dataclass(frozen=True, kw_only=True)
class Interpolate(Reshape):
    """Linear interpolation over all axes but the last, which is the width.

    For learned positions and tokens. Those that lie on a grid as one axis, row by row, are
    interpolated over the grid: 196 positions of 14 x 14 patches become 256 of 16 x 16.

    Attributes:
      names: patterns of the model's parameters that it is for.
      grid: how many positions lie along each axis of the grid where they come from, up to three;
        by default the axes are those of the parameter.
      new_grid: the same in the model.
      first: positions before the grid that are copied, such as that of a CLS token.

    Raises:
      ValueError: grids of different numbers of axes, or more than three; `first` below 0.
    """

    names: Sequence[TensorNames]
    grid: Sequence[int] | None = None
    new_grid: Sequence[int] | None = None
    first: int = 0

    def __post_init__(self) -> None:
        if len(self.grid or ()) != len(self.new_grid or ()) or len(self.grid or ()) > 3:
            raise ValueError(
                f"Interpolate.grid is {self.grid} and Interpolate.new_grid {self.new_grid}; both "
                "have one number for each of up to three axes, or both are None"
            )
        if self.first < 0:
            raise ValueError(f"Interpolate.first is {self.first}; it must be 0 or more")

    def refusal(self, old: Shape, new: Shape) -> str:
        """See Reshape."""
        if len(old) != len(new) or old[-1:] != new[-1:]:
            return "Interpolate changes all axes but the last, and not their number"
        if not 1 <= len(self._axes(old, self.grid)) <= 3:
            return "Interpolate takes one to three axes beside the last"
        if (self.grid or self.first) and len(old) != 2:
            return "Interpolate.grid and Interpolate.first are for parameters of two axes"
        for shape, grid in ((old, self.grid), (new, self.new_grid)):
            positions = shape[0] - self.first
            if grid is not None and positions != math.prod(grid):
                return f"a grid of {list(grid)} does not have {positions} positions"
            if positions < 1:
                return f"Interpolate.first is {self.first}, and there are {shape[0]} positions"
        return ""

    def __call__(self, old: torch.Tensor, fresh: torch.Tensor) -> torch.Tensor:
        """See Reshape."""
        axes, new_axes = self._axes(old.shape, self.grid), self._axes(fresh.shape, self.new_grid)
        channels = old[self.first :].float().reshape(*axes, -1).movedim(-1, 0)[None]
        resized = functional.interpolate(channels, new_axes, mode=_MODES[len(axes)])
        made = fresh.clone()
        made[self.first :] = resized[0].movedim(0, -1).reshape(made[self.first :].shape)
        made[: self.first] = old[: self.first]
        return made

    def _axes(self, shape: Sequence[int], grid: Sequence[int] | None) -> list[int]:
        """Returns the lengths of the axes that are interpolated over."""
        return list(grid) if grid is not None else [shape[0] - self.first, *shape[1:-1]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Overlap(Reshape):
    """What both shapes have is copied; what only the new one has stays as the seed made it.

    For a vocabulary that has grown at its end.

    Attributes:
      names: patterns of the model's parameters that it is for.
    """

    names: Sequence[TensorNames]

    def refusal(self, old: Shape, new: Shape) -> str:
        """See Reshape."""
        return "" if len(old) == len(new) else "Overlap does not change the number of axes"

    def __call__(self, old: torch.Tensor, fresh: torch.Tensor) -> torch.Tensor:
        """See Reshape."""
        made = fresh.clone()
        shared = tuple(slice(min(pair)) for pair in zip(old.shape, fresh.shape, strict=True))
        made[shared] = old[shared].to(made.dtype)
        return made
