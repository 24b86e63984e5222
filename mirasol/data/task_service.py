"""A process in which seqio lives, to ask about tasks and to score answers.

The training process must not import TensorFlow, yet wants to know a task's splits before it starts
and its metrics when it has answers. Data sets that are made on first use are made in here too.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import FrameType
from typing import Any, TypeVar

from mirasol.data import identity, source
from mirasol.data.benchmarks.registration import class_names
from mirasol.data.processes import data_processes, start_importing
from mirasol.data.references import ClipReference

Answer = TypeVar("Answer")

_HEADLINES = ("accuracy", "wups_0", "wups_0.9")


@dataclass(frozen=True)
class TaskInfo:
    """What is known of a task without reading its media.

    Attributes:
      name: of the task or mixture.
      splits: names of its splits.
      num_clips: clips of each split, where the task knows without reading; else None.
      is_mixture: whether it mixes tasks.
      members: names of the mixed tasks; of a task, its own name.
    """

    name: str
    splits: tuple[str, ...]
    num_clips: dict[str, int | None]
    is_mixture: bool
    members: tuple[str, ...]


class TaskService(AbstractContextManager):
    """Answers questions about tasks from a process of its own, which starts when it is first asked.

    What it is forked from begins to import when this is built, which takes seconds (processes.py).

    Errors in that process are raised here with their own type and message.

    Args:
      task_modules: modules that the process imports so that their tasks are registered.
    """

    def __init__(self, task_modules: Sequence[str] = source.TASK_MODULES) -> None:
        self._pool = ProcessPoolExecutor(
            1, mp_context=data_processes(), initializer=_take_interrupts
        )
        self._modules = tuple(task_modules)
        start_importing()  # Seconds, while the caller does other work.

    def describe(self, task: str) -> TaskInfo:
        """Returns what is known of a task or mixture.

        Raises:
          UnknownTaskError: a ValueError that names the nearest task.
        """
        return self._ask(_describe, task, self._modules)

    def tasks(self) -> dict[str, tuple[str, ...]]:
        """Returns the splits of every task and mixture there is."""
        return self._ask(source.all_tasks, self._modules)

    def check(self, task: str, split: str) -> None:
        """Makes sure that the task and its split exist; reads nothing.

        Raises:
          UnknownTaskError, UnknownSplitError: ValueErrors that name the nearest.
        """
        self._ask(_check, task, split, self._modules)

    def prepare(self, task: str, split: str) -> None:
        """Reads the split's first reference, so that a data set made on first use is made now.

        Raises:
          UnknownTaskError, UnknownSplitError: ValueErrors that name the nearest.
          Exception: whatever reading or making the data set raises.
        """
        self._ask(_prepare, task, split, self._modules)

    def identity(self, task: str, split: str) -> dict[str, identity.Identity]:
        """Returns what the data of a split are, by task; makes nothing. See data/identity.py.

        Raises:
          UnknownTaskError, UnknownSplitError: ValueErrors that name the nearest.
        """
        return self._ask(_identity, task, split, self._modules)

    def references(self, task: str, split: str) -> list[ClipReference]:
        """Returns every clip of a split with its questions; makes a set that is made on first use.

        Raises:
          UnknownTaskError, UnknownSplitError: ValueErrors that name the nearest.
          Exception: whatever reading or making the data set raises.
        """
        return self._ask(_references, task, split, self._modules)

    def classes(self, task: str) -> list[str] | None:
        """Returns the classes of a set of classes, from its files; None for any other task.

        Raises:
          ValueError: unknown task; the files that name the classes are not there.
        """
        return self._ask(_classes, task, self._modules)

    def score(
        self,
        task: str,
        targets: Sequence[dict[str, Any]],
        predictions: Sequence[str],
        class_scores: Any = None,
    ) -> dict[str, float]:
        """Returns the task's metrics of some predictions.

        Args:
          task: name of a task, or of a mixture whose tasks share their metrics.
          targets: annotation rows of the questions (`Question.row`).
          predictions: one answer's text a question.
          class_scores: for the metrics that seqio calls score metrics; None leaves those out.

        Raises:
          ValueError: unknown task, no metric, different metrics in a mixture, unequal lengths.
        """
        if len(targets) != len(predictions):
            raise ValueError(f"{len(targets)} targets, but {len(predictions)} predictions")
        return self._ask(_score, task, targets, predictions, class_scores, self._modules)

    def close(self) -> None:
        """Ends the process."""
        self._pool.shutdown(cancel_futures=True)

    def __exit__(self, *_: object) -> None:
        self.close()

    def _ask(self, function: Callable[..., Answer], *arguments: Any) -> Answer:
        try:
            return self._pool.submit(function, *arguments).result()
        except BrokenProcessPool:
            raise RuntimeError(
                f"the task service's process died while it worked on {arguments[0]!r}; if the "
                "machine is short of memory, free some"
            ) from None
        except Exception as error:
            error.__cause__ = None  # The traceback of the other process, as text.
            raise error from None


def _take_interrupts() -> None:
    signal.signal(signal.SIGINT, _stop_if_at_work)


def _stop_if_at_work(number: int, frame: FrameType | None) -> None:
    """Breaks off what may take minutes, the making of a set; idle, Ctrl-C is the parent's."""
    if _at_work:
        raise KeyboardInterrupt


_at_work: list[str] = []  # What is being made.


def _describe(task: str, modules: tuple[str, ...]) -> TaskInfo:
    provider = source.find_task(task, modules)
    tasks = source.tasks_of(provider)
    splits = tuple(sorted(provider.splits))
    return TaskInfo(
        name=task,
        splits=splits,
        num_clips={split: _num_clips(source.members(provider, split), split) for split in splits},
        is_mixture=tasks != [provider],
        members=tuple(sorted(each.name for each in tasks)),
    )


def _num_clips(tasks: list, split: str) -> int | None:
    counts = [task.num_input_examples(split) for task in tasks]
    return None if None in counts else sum(counts)


def _check(task: str, split: str, modules: tuple[str, ...]) -> None:
    source.members(source.find_task(task, modules), split)


def _prepare(task: str, split: str, modules: tuple[str, ...]) -> None:
    _at_work.append(task)
    try:
        first = next(source.evaluation_stream(task, split, modules), None)
    finally:
        _at_work.clear()
    if first is None:
        raise ValueError(f"the split {split!r} of task {task!r} is empty")


def _identity(task: str, split: str, modules: tuple[str, ...]) -> dict[str, identity.Identity]:
    members = source.members(source.find_task(task, modules), split)
    return {f"{each.name}/{split}": identity.of(each.name, split) for each in members}


def _references(task: str, split: str, modules: tuple[str, ...]) -> list[ClipReference]:
    _at_work.append(task)
    try:
        stream = source.evaluation_stream(task, split, modules)
        return [ClipReference.from_features(features) for features in stream]
    finally:
        _at_work.clear()


def _classes(task: str, modules: tuple[str, ...]) -> list[str] | None:
    source.find_task(task, modules)
    return class_names(task)


def _score(
    task: str,
    targets: Sequence[dict[str, Any]],
    predictions: Sequence[str],
    class_scores: Any,
    modules: tuple[str, ...],
) -> dict[str, float]:
    provider = source.find_task(task, modules)
    tasks = source.tasks_of(provider)
    metrics = tasks[0].predict_metric_fns
    if any(list(each.predict_metric_fns) != list(metrics) for each in tasks):
        raise ValueError(
            f"the tasks of mixture {task!r} have different metrics; score them one by one: "
            f"{', '.join(each.name for each in tasks)}"
        )
    if not metrics:
        raise ValueError(f"task {task!r} has no metric; give it metric_fns=[...] where it is made")
    calls = [(metric, predictions) for metric in metrics]
    if class_scores is not None:
        calls += [(metric, class_scores) for metric in tasks[0].score_metric_fns]
    scores: dict[str, float] = {}
    for metric, given in calls:
        scores |= {name: float(value) for name, value in metric(targets, given).items()}
    return scores | _of_all(scores, len(targets))


def _of_all(scores: dict[str, float], count: int) -> dict[str, float]:
    """Returns headline scores with every question of the split that was not asked as wrong."""
    if "num_total" not in scores:
        return {}
    share = count / max(scores["num_total"], 1.0)
    return {f"{name}_of_all": scores[name] * share for name in _HEADLINES if name in scores}
