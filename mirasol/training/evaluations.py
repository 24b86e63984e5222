"""Evaluations during a training, each done once however often the run is stopped."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from mirasol.training.best import Best, wrong_task
from mirasol.training.run_state import RunState
from mirasol.training.stopping import Stop
from mirasol.training.writers import Metrics

Scores = dict[str, dict[str, float]]


class Evaluations:
    """Evaluates tasks, writes a line for each, and notes the best.

    A signal may come between two tasks, or within one. A task with its line in `metrics.jsonl` is
    done: a resumed run goes on with the next, and takes the scores of the others from there.

    Args:
      tasks: in their order.
      split: of them.
      evaluate: (task) -> metrics, of the model as it is.
      writer: of the run.
      run: where the training is.
      best: what makes an evaluation the best; None: nobody asks.
      stop: may break off an evaluation.

    Raises:
      ValueError: the best is asked for of a task that is not evaluated.
    """

    def __init__(
        self,
        *,
        tasks: Sequence[str],
        split: str,
        evaluate: Callable[[str], dict[str, float]],
        writer: Metrics,
        run: RunState,
        best: Best | None,
        stop: Stop,
    ):
        if best is not None and (wrong := wrong_task(best.task, tasks)):
            raise ValueError(f"Best.task {wrong}")
        self.tasks, self.split = tasks, split
        self.evaluate, self.writer = evaluate, writer
        self.run, self.best, self.stop = run, best, stop
        self.scores: Scores = {}

    def at(self, step: int) -> None:
        """Evaluates after a step."""
        self.finish(step, {})

    def finish(self, step: int, recorded: Mapping[str, dict[str, float]]) -> None:
        """Evaluates what is not among the `recorded` scores of the step."""
        scores: Scores = {}
        for task in self.tasks:
            scores[task] = recorded[task] if task in recorded else self._evaluate(task, step)
        self.scores, self.run.evaluated = scores, step
        if self.best is not None:
            self.best.judge(self.run, step, scores)

    def _evaluate(self, task: str, step: int) -> dict[str, float]:
        with self.stop.interruptible(patiently=True):
            scores = self.evaluate(task)
        self.writer.write(step, self.split, scores, task)
        return scores
