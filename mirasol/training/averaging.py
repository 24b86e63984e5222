"""A running mean of the parameters, which may answer better than the last ones (Polyak and Juditsky
1992; with a fixed decay as in Tarvainen and Valpola 2017).
"""

from __future__ import annotations

import abc
import contextlib
import dataclasses
import math
from collections.abc import Iterator
from contextlib import AbstractContextManager

import torch
from torch import nn

from mirasol.checkpoint.state import plain_name
from mirasol.training.masking import mask_of

AVERAGE = "average"
"""How the names of averaged parameters begin in a checkpoint."""
_MUCH = 0.1


@dataclasses.dataclass(frozen=True, kw_only=True)
class Averaging:
    """A recipe for a running mean of the trained parameters.

    After step n, the first of which is 1, the mean is

        n <= start_step   the parameters
        n >  start_step   decay * mean + (1 - decay) * parameters

    It costs one copy of the trained parameters. A step that is undone leaves it as it is.

    Attributes:
      decay: in (0, 1); a mean over about the last 1 / (1 - decay) steps.
      start_step: steps before the mean begins; the first parameters should not weigh in it.

    Raises:
      ValueError: a number is out of range.
    """

    decay: float = 0.999
    start_step: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.decay < 1:
            raise ValueError(f"Averaging.decay is {self.decay}; it must be in (0, 1)")
        if self.start_step < 0:
            raise ValueError(f"Averaging.start_step is {self.start_step}; it must be 0 or more")

    def build(self, model: nn.Module) -> RunningAverage:
        """Begins with the model's parameters as they are.

        Args:
          model: on its device, with frozen parameters marked.
        """
        return RunningAverage(self, model)

    def doubts(self, steps: int) -> list[str]:
        """Returns a line if the first parameters weigh much in the mean after so many steps."""
        averaged = steps - self.start_step
        if averaged <= 0 or self.decay**averaged <= _MUCH:
            return []
        lower = math.floor(100 * 0.01 ** (1 / averaged)) / 100
        return [
            f"Averaging.decay is {self.decay}: after {steps} steps the first parameters still "
            f"weigh {self.decay**averaged:.0%} in the mean; lower it, such as "
            f"--gin.Averaging.decay={max(lower, 0.01)}"
        ]

    def weight(self, step: int) -> float:
        """Returns what the parameters after `step` (of which the first is 1) count."""
        return 1.0 if step <= self.start_step else 1.0 - self.decay


class Average(abc.ABC):
    """What follows the parameters from step to step.

    Attributes:
      tensors: name -> mean, of the parameter's kind; none where nothing is averaged.
    """

    tensors: dict[str, torch.Tensor]

    @abc.abstractmethod
    def begin(self) -> None:
        """Takes the parameters as they are now, such as those of a warm start."""

    @abc.abstractmethod
    def set_step(self, step: int) -> None:
        """Writes what depends on the step, of which the first is 1, in place, before it is made."""

    @abc.abstractmethod
    def follow(self, optimizer: torch.optim.Optimizer) -> None:
        """Takes the parameters in after a step, on the device.

        Args:
          optimizer: that made the step, or undid it, see masking.py.
        """

    @abc.abstractmethod
    def in_place(self) -> AbstractContextManager[None]:
        """Has the model be the mean while a block runs; bit by bit the same afterwards."""


class NoAverage(Average):
    """Follows nothing."""

    def __init__(self) -> None:
        self.tensors = {}

    def begin(self) -> None:
        """Does nothing."""

    def set_step(self, step: int) -> None:
        """Does nothing."""

    def follow(self, optimizer: torch.optim.Optimizer) -> None:
        """Does nothing."""

    def in_place(self) -> AbstractContextManager[None]:
        """Leaves the model as it is."""
        return contextlib.nullcontext()


NO_AVERAGE = NoAverage()


class RunningAverage(Average):
    """The running mean of a model's trained parameters; made by `Averaging.build`."""

    def __init__(self, recipe: Averaging, model: nn.Module):
        self._recipe = recipe
        self._parameters = averaged_parameters(model)
        self.tensors = {name: each.detach().clone() for name, each in self._parameters.items()}
        first = next(iter(self._parameters.values()))
        self._weight = torch.ones((), device=first.device)
        self._written = 1.0

    @torch.no_grad()
    def begin(self) -> None:
        """See Average."""
        for name, parameter in self._parameters.items():
            self.tensors[name].copy_(parameter)

    def set_step(self, step: int) -> None:
        """See Average."""
        weight = self._recipe.weight(step)
        if weight != self._written:
            self._weight.fill_(weight)
            self._written = weight

    @torch.no_grad()
    def follow(self, optimizer: torch.optim.Optimizer) -> None:
        """See Average."""
        weight = self._weight * (1.0 - mask_of(optimizer))
        for name, parameter in self._parameters.items():
            self.tensors[name].lerp_(parameter.detach(), weight)

    @contextlib.contextmanager
    def in_place(self) -> Iterator[None]:
        """See Average."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    @torch.no_grad()
    def _swap(self) -> None:
        for name, parameter in self._parameters.items():
            trained = parameter.clone()
            parameter.copy_(self.tensors[name])
            self.tensors[name].copy_(trained)


def averaged_parameters(model: nn.Module) -> dict[str, nn.Parameter]:
    """Returns the parameters that are averaged, by name: those that are trained."""
    return {plain_name(name): each for name, each in model.named_parameters() if each.requires_grad}
