"""Tasks, splits and files that an experiment names: whether they are there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from mirasol.bound import Bound
from mirasol.data import task_names
from mirasol.data.batches import Stage
from mirasol.experiment import EvaluationPlan, TrainingData
from mirasol.findings import Finding
from mirasol.gin_files import closest_beside, data_file, shipped_folder
from mirasol.named import FileName
from mirasol.spelling import hint
from mirasol.value_types import parameter_types
from mirasol.wiring import Part, Wiring

Given = Callable[[Part, str], Any]
"""(part, parameter) -> its value with the parts in it built, those that failed left out."""


def missing_files(wiring: Wiring, bound: Bound) -> Iterator[tuple[Part, Finding]]:
    """Yields each part that names a file that is not there, and a finding."""
    for part in wiring.objects():
        known = parameter_types(part.reference.target)
        for name, value in wiring.values(part).items():
            path = wiring.expand(value)
            if known.get(name) != FileName or type(path) is not str or data_file(path):
                continue
            yield (
                part,
                Finding(
                    bound.written(wiring, part, name),
                    f"{part.title}.{name}: there is no file {path!r}, neither from here nor in "
                    f"{shipped_folder()}{hint(closest_beside(path))}",
                ),
            )


def missing_tasks(wiring: Wiring, bound: Bound, given: Given) -> Iterator[Finding]:
    """Yields a finding for each task that there is not, and each split that a task has not."""
    for part in wiring.objects():
        target = part.reference.target
        if target is Stage:
            task = given(part, "task")
            if type(task) is str and (unknown := task_names.unknown_task(task)):
                yield Finding(bound.written(wiring, part, "task"), unknown)
        elif target is TrainingData:
            stages = [each for each in _several(given(part, "stages")) if isinstance(each, Stage)]
            tasks = [stage.task for stage in stages]
            yield from _missing_splits(wiring, bound, part, tasks, given(part, "split"))
        elif target is EvaluationPlan:
            tasks = _several(given(part, "tasks"))
            for task in filter(task_names.unknown_task, tasks):
                place = bound.written(wiring, part, "tasks")
                yield Finding(place, task_names.unknown_task(task))
            yield from _missing_splits(wiring, bound, part, tasks, given(part, "split"))


def _missing_splits(
    wiring: Wiring, bound: Bound, part: Part, tasks: Sequence[str], split: Any
) -> Iterator[Finding]:
    place = bound.written(wiring, part, "split") or bound.written(wiring, part, "tasks")
    for task in tasks:
        known = type(split) is str and not task_names.unknown_task(task)
        if known and (missing := task_names.unknown_split(task, split)):
            yield Finding(place or bound.written(wiring, part, "stages"), missing)


def _several(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else []
