"""Rules by which a trial ends before its last step: what it has shown so far is not enough.

A rule looks once, at the evaluation of one step, and is asked by whoever watches over the trial:
asked again, it would compare the value of that step with those of trials that came later.
"""

from __future__ import annotations

import abc
import dataclasses
import math
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path

from mirasol.named import MetricName
from mirasol.numbers import require_positive
from mirasol.sweeps.scores import metrics_at


class EarlyStop(abc.ABC):
    """Says whether a trial is to end now.

    Attributes:
      metric: "task/metric" that is looked at.
      step: at which; the run must evaluate there, before its last step.
    """

    metric: MetricName
    step: int

    def is_due(self, workdir: Path) -> bool:
        """Returns whether a trial has got there."""
        return self._value(workdir) is not None

    def verdict(self, workdir: Path, others: Callable[[], Sequence[Path]]) -> str:
        """Returns why the trial ends, "" where it goes on. A value that is no number is below any.

        Args:
          workdir: of the trial.
          others: gives the workdirs of all trials of the plan; asked only when needed.
        """
        value = self._value(workdir)
        if value is None:
            return ""
        bound = self.bound(lambda: self._known(others()))
        if bound is None or value >= bound:
            return ""
        return f"{self.metric} at step {self.step} is {value:.4g}, below {bound:.4g}"

    @abc.abstractmethod
    def bound(self, values: Callable[[], Sequence[float]]) -> float | None:
        """Returns below what a trial ends, None for nothing.

        Args:
          values: gives those of the metric at the step in all trials of the plan that have got
            there; what is not finite is left out.
        """

    def _value(self, workdir: Path) -> float | None:
        return metrics_at(workdir, self.step).get(self.metric)

    def _known(self, workdirs: Sequence[Path]) -> list[float]:
        values = map(self._value, workdirs)
        return [each for each in values if each is not None and math.isfinite(each)]


@dataclasses.dataclass(frozen=True, kw_only=True)
class StopBelow(EarlyStop):
    """Ends trials whose metric at a step is below a value.

    Attributes:
      metric: "task/metric" that is looked at.
      step: at which; the run must evaluate there, before its last step.
      value: the bound.
    """

    metric: MetricName
    step: int
    value: float

    def __post_init__(self) -> None:
        require_positive("StopBelow", step=self.step)

    def bound(self, values: Callable[[], Sequence[float]]) -> float | None:
        """See `EarlyStop`."""
        return self.value


@dataclasses.dataclass(frozen=True, kw_only=True)
class StopBelowMedian(EarlyStop):
    """Ends trials whose metric at a step is below the median of those that have got there.

    Each is judged when it gets there: which trials end depends on the order in which they run.

    Attributes:
      metric: "task/metric" that is looked at.
      step: at which; the run must evaluate there, before its last step.
      trials: at least so many must have got there, the trial itself among them.
    """

    metric: MetricName
    step: int
    trials: int = 4

    def __post_init__(self) -> None:
        require_positive("StopBelowMedian", step=self.step, trials=self.trials)

    def bound(self, values: Callable[[], Sequence[float]]) -> float | None:
        """See `EarlyStop`."""
        known = values()
        return statistics.median(known) if len(known) >= self.trials else None
