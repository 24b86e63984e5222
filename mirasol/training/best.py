"""The best evaluation of a run, whose checkpoint is kept."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence

from absl import logging

from mirasol.named import MetricName, TaskName
from mirasol.spelling import nearest
from mirasol.training.run_state import RunState


def wrong_task(task: str, evaluated: Sequence[str]) -> str:
    """Returns what is wrong with `Best.task`, "" for one of the tasks that are evaluated."""
    if task in evaluated:
        return ""
    there = ", ".join(map(str, evaluated))
    return f"is {task!r}, and evaluated are only {there}{nearest(task, evaluated)}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Best:
    """What makes an evaluation the best one; the first of equal ones is.

    Attributes:
      task: one of those that are evaluated.
      metric: of the task, as its lines in `metrics.jsonl` name it.
      lowest: whether the lowest value is the best, as of a loss or an error.
    """

    task: TaskName
    metric: MetricName = "accuracy"
    lowest: bool = False

    def judge(self, run: RunState, step: int, scores: Mapping[str, Mapping[str, float]]) -> None:
        """Notes the evaluation of a step in the run's state if it is the best so far.

        A metric that is not there is told in the log: which ones a task of people's own has is
        known only when it has been evaluated, and a run should not end for that.
        """
        found = scores[self.task]
        value = found.get(self.metric, math.nan)
        if self.metric not in found:
            wrong = f"task {self.task!r} has no metric {self.metric!r}"
            logging.error("No best checkpoint: %s%s", wrong, nearest(self.metric, found))
        sign = -1.0 if self.lowest else 1.0
        best = -math.inf if run.best_value is None else sign * run.best_value
        if sign * value > best:
            run.best_step, run.best_value = step, value
