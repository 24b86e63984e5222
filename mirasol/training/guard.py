"""Undoes the updates of bad steps, on the device; the host learns of them with the log.

Step 7 of 20 has a loss of NaN, and the log is due each 5 steps:

    step     1  ...  6      7        8    9    10
    device   moves   moves  undone   halted: nothing moves
    host                                       told: stops, with the state after step 6, or
    skips=1                 skipped  moves ..  told: goes on
"""

from __future__ import annotations

import abc
import dataclasses
import math
from collections.abc import Callable, Collection, Mapping

import torch

# Of each step, for the host: whether it was skipped, whether the run should have stopped by then,
# and the values as they were; the other values of a step that was undone are 0.
SKIPPED = "skipped_steps"
HALTED = "halted"
RAW_LOSS, RAW_NORM = "raw_loss", "raw_gradient_norm"
DETAILS = (HALTED, RAW_LOSS, RAW_NORM)

Values = Mapping[str, torch.Tensor]

_LARGEST = torch.finfo(torch.float32).max


@dataclasses.dataclass(frozen=True, kw_only=True)
class Guard:
    """What makes a step bad, and how many are let pass.

    A step is bad if its loss or the norm of its gradients is not finite, or the norm is too large.
    Its update is undone: parameters, moments, counts of steps and running means stay bit by bit. It
    is written down in `bad_steps.jsonl`, with its clips. One bad step too many ends the run, with
    the state before it saved; resumed, the run lets that one step pass if it is bad again.

    Attributes:
      skips: bad steps in a row that are skipped; the next one ends the run. 0: the first one does.
      max_norm: largest norm of the gradients, before clipping; None: any that is finite.

    Raises:
      ValueError: a number is out of range.
    """

    skips: int = 0
    max_norm: float | None = None

    def __post_init__(self) -> None:
        if self.skips < 0:
            raise ValueError(f"Guard.skips is {self.skips}; it must be 0 or more")
        if self.max_norm is not None and not 0 < self.max_norm < math.inf:
            raise ValueError(
                f"Guard.max_norm is {self.max_norm}; it must be above 0 and finite; None lets "
                "every finite norm pass"
            )


STOP = Guard()
"""The first bad step ends the run."""


class Judge(abc.ABC):
    """Looks at a step's values before its update is made."""

    @abc.abstractmethod
    def set_step(self, step: int) -> None:
        """Writes what depends on the step, of which the first is 1, in place, before it is made."""

    @abc.abstractmethod
    def judge(self, values: Values) -> dict[str, torch.Tensor]:
        """Sets the optimizer's mask; returns the values of the step.

        Args:
          values: "loss", "gradient_norm" and others: scalars on the device, detached.
        """


class NoJudge(Judge):
    """Finds every step good."""

    def set_step(self, step: int) -> None:
        """Does nothing."""

    def judge(self, values: Values) -> dict[str, torch.Tensor]:
        """Returns the values."""
        return dict(values)


NO_JUDGE = NoJudge()


class GuardJudge(Judge):
    """Judges as a guard says, in tensors alone: a compiled step holds all that changes.

    Attributes:
      row: bad steps in a row so far, float32 scalar; state of the run.

    Args:
      guard: the settings.
      undone: the optimizer's mask, see masking.py.
      pardoned: steps that may be bad once more than `skips` says.
      largest: of a scalar in all processes of the run, so that a step is bad in all or in none,
        even if they differ in the last bit of its values.
    """

    def __init__(
        self,
        guard: Guard,
        undone: torch.Tensor,
        pardoned: Collection[int] = (),
        largest: Callable[[torch.Tensor], torch.Tensor] = torch.detach,
    ):
        self._skips = guard.skips
        self._max_norm = _LARGEST if guard.max_norm is None else guard.max_norm
        self._undone, self._largest = undone, largest
        self._pardoned = pardoned
        self.row = torch.zeros_like(undone)
        self._halted = torch.zeros_like(undone)
        self._pardon = torch.zeros_like(undone)
        self._is_pardoned = False

    def set_step(self, step: int) -> None:
        """See Judge."""
        if (step in self._pardoned) != self._is_pardoned:
            self._is_pardoned = step in self._pardoned
            self._pardon.fill_(float(self._is_pardoned))

    @torch.no_grad()
    def judge(self, values: Values) -> dict[str, torch.Tensor]:
        """See Judge. NaN is in no comparison true."""
        loss, norm = values["loss"], values["gradient_norm"]
        good = (norm <= self._max_norm) & (loss.abs() <= _LARGEST)
        bad = self._largest(1.0 - good.float())
        row = bad * (self.row + (1.0 - self._pardon))
        halted = torch.maximum(self._halted, (row > self._skips).float())
        undone = torch.maximum(bad, halted)
        # What a halted run has counted is what it goes on with.
        self.row.copy_(torch.where(halted > 0, self.row, row))
        self._halted.copy_(halted)
        self._undone.copy_(undone)
        kept = {name: torch.where(undone > 0, 0.0, value) for name, value in values.items()}
        skipped = bad * (1.0 - halted)
        return kept | {SKIPPED: skipped, HALTED: halted, RAW_LOSS: loss, RAW_NORM: norm}
