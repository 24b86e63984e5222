"""What a training knows besides its tensors; saved with them for a resumed one to know."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import torch

Fetch = Callable[[Mapping[str, torch.Tensor]], dict[str, float]]


@dataclasses.dataclass
class Sums:
    """The values of the steps since the last line of the log, added up on the device.

    Attributes:
      steps: how many.
      totals: by name; a resumed run's begin as numbers, which are the same sums in float32.
    """

    steps: int = 0
    totals: dict[str, Any] = dataclasses.field(default_factory=dict)

    def add(self, values: Mapping[str, torch.Tensor]) -> None:
        """Adds the values of one step, scalars on the device."""
        self.totals = {name: self.totals.get(name, 0.0) + value for name, value in values.items()}
        self.steps += 1

    def clear(self) -> None:
        """Begins anew."""
        self.steps, self.totals = 0, {}


@dataclasses.dataclass
class RunState:
    """Where a training is.

    Attributes:
      step: steps done. The random numbers and the data of the next one follow from it.
      sums: of the log.
      evaluated: the last step at which everything was evaluated; 0: none.
      best_step: the step of the best evaluation so far; None: none, or nobody asks.
      best_value: its metric.
      broken_media: paths of the media that could not be decoded so far.
    """

    step: int = 0
    sums: Sums = dataclasses.field(default_factory=Sums)
    evaluated: int = 0
    best_step: int | None = None
    best_value: float | None = None
    broken_media: set[str] = dataclasses.field(default_factory=set)

    def rewind(self, step: int) -> None:
        """Goes back to a step since the last line of the log; nothing has moved or counted since.

        The sums need no change: the values of steps that were undone are 0.
        """
        self.sums.steps -= self.step - step
        self.step = step

    def values(self, fetch: Fetch) -> dict[str, Any]:
        """Returns all of it as JSON values, to be saved beside the tensors.

        Args:
          fetch: brings device scalars to the host. A float32 is the same again after JSON.
        """
        totals = fetch(self.sums.totals) if self.sums.totals else {}
        log = {"steps": self.sums.steps, "names": list(totals), "sums": list(totals.values())}
        return {
            "step": self.step,
            "run": {
                "log": log,
                "evaluated": self.evaluated,
                "best": {"step": self.best_step, "value": self.best_value},
                "broken_media": sorted(self.broken_media),
            },
        }

    def take(self, values: Mapping[str, Any]) -> None:
        """Takes over what `values` gave."""
        run, log = values["run"], values["run"]["log"]
        self.step = values["step"]
        self.sums = Sums(log["steps"], dict(zip(log["names"], log["sums"], strict=True)))
        self.evaluated = run["evaluated"]
        self.best_step, self.best_value = run["best"]["step"], run["best"]["value"]
        self.broken_media = set(run["broken_media"])
