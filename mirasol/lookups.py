"""What an experiment names: whether tasks, metrics and files are there, and patterns are clear."""

from __future__ import annotations

import dataclasses
import re
import typing
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from mirasol.bound import Bound
from mirasol.checkpoint.tensor_names import clear_pattern
from mirasol.data import task_names
from mirasol.data.batches import Stage
from mirasol.data.media_cache.cache import FILL
from mirasol.evaluation.metric_names import unknown_metric
from mirasol.experiment import EvaluationPlan, TrainingData
from mirasol.findings import Finding, where_defined
from mirasol.gin_files import closest_file, closest_folder, data_file, shipped_folder
from mirasol.named import CacheFolder, CheckpointSource, FileName, TensorNames
from mirasol.spelling import hint
from mirasol.training.best import Best, wrong_task
from mirasol.value_types import parameter_types
from mirasol.wiring import Part, Wiring

Given = Callable[[Part, str], Any]
"""(part, parameter) -> its value with the parts in it built, those that failed left out."""


@dataclasses.dataclass(frozen=True)
class Lookup:
    """How what a text names is looked for.

    Attributes:
      is_there: (text) -> whether it is.
      absent: (text) -> what to say where it is not.
    """

    is_there: Callable[[str], bool]
    absent: Callable[[str], str]


def _is_folder(name: str) -> bool:
    return Path(name).expanduser().is_dir()


LOOKUPS: dict[Any, Lookup] = {
    FileName: Lookup(
        lambda name: data_file(name) is not None,
        lambda name: (
            f"there is no file {name!r}, neither from here nor in {shipped_folder()}"
            f"{hint(closest_file(name))}"
        ),
    ),
    CacheFolder: Lookup(
        _is_folder,
        lambda name: (
            f"there is no folder {name!r}{hint(closest_folder(name))}; a cache is filled first, "
            f"with the same gin files: {FILL}"
        ),
    ),
}


_PATHS = {*LOOKUPS, CheckpointSource}  # The last is looked for with the model (rehearsal.py).


def _fault(kind: Any, text: str) -> str:
    """Returns what is wrong with a text that names something, "" if nothing is."""
    if kind is TensorNames:
        return _unclear(text)
    if kind not in _PATHS:
        return ""
    if doubled := _doubled_slash(text):
        return doubled
    lookup = LOOKUPS.get(kind)
    return lookup.absent(text) if lookup and not lookup.is_there(text) else ""


def _unclear(pattern: str) -> str:
    """Says so where a * matches what likely was not meant, or stands twice."""
    right = clear_pattern(pattern)
    if right == pattern:
        return ""
    return f"{pattern!r} has a * right behind a word or another *{hint(right)}"


def _doubled_slash(name: str) -> str:
    """Says so where a path has an empty part: it leads to the same file, under another name."""
    scheme, mark, path = name.rpartition("://")
    right = scheme + mark + re.sub("/+", "/", path)
    return f"no path {name!r}{hint(right)}" if right != name else ""


def wrong_names(wiring: Wiring, bound: Bound) -> Iterator[tuple[Part, Finding]]:
    """Yields a part and a finding for each path that is not there and each unclear pattern."""
    for part in wiring.objects():
        target = part.reference.target
        known = parameter_types(target)
        for name, value in wiring.values(part).items():
            for kind, text in _texts(known.get(name), wiring.expand(value)):
                if fault := _fault(kind, text):
                    yield (
                        part,
                        Finding(
                            bound.written(wiring, part, name),
                            f"{part.title}.{name}: {fault} ({where_defined(target)})",
                        ),
                    )


def _texts(kind: Any, value: Any) -> Iterator[tuple[Any, str]]:
    """Yields the texts of a value, those in lists and pairs too, each with its type."""
    inner = [each for each in typing.get_args(kind) if each is not Ellipsis]
    if type(value) is str:
        yield kind, value
    elif isinstance(value, list | tuple) and inner:
        of_each = inner if len(inner) == len(value) else inner[:1] * len(value)
        for each, one in zip(of_each, value, strict=True):
            yield from _texts(each, one)


def missing_tasks(wiring: Wiring, bound: Bound, given: Given) -> Iterator[Finding]:
    """Yields a finding for each task that there is not, each split and metric that it has not."""
    for part in wiring.objects():
        if find := _TASKS.get(part.reference.target):
            yield from find(wiring, bound, part, given)


def _of_stage(wiring: Wiring, bound: Bound, part: Part, given: Given) -> Iterator[Finding]:
    task = given(part, "task")
    if type(task) is str:
        yield from _unknown_tasks(bound.written(wiring, part, "task"), [task])


def _of_training(wiring: Wiring, bound: Bound, part: Part, given: Given) -> Iterator[Finding]:
    stages = [each for each in _several(given(part, "stages")) if isinstance(each, Stage)]
    tasks = [stage.task for stage in stages]
    yield from _missing_splits(wiring, bound, part, tasks, given(part, "split"))


def _of_evaluation(wiring: Wiring, bound: Bound, part: Part, given: Given) -> Iterator[Finding]:
    tasks = _several(given(part, "tasks"))
    yield from _unknown_tasks(bound.written(wiring, part, "tasks"), tasks)
    yield from _missing_splits(wiring, bound, part, tasks, given(part, "split"))


def _of_best(wiring: Wiring, bound: Bound, part: Part, given: Given) -> Iterator[Finding]:
    task, metric = given(part, "task"), given(part, "metric")
    plans = [each for each in wiring.objects() if each.reference.target is EvaluationPlan]
    evaluated = [each for plan in plans for each in _several(given(plan, "tasks"))]
    if type(task) is not str or not evaluated:
        return
    place = bound.written(wiring, part, "task")
    if wrong := wrong_task(task, evaluated):
        yield Finding(place, f"{part.title}.task {wrong}")
    elif type(metric) is str and (unknown := unknown_metric(task, metric)):
        yield Finding(
            bound.written(wiring, part, "metric") or place, f"{part.title}.metric: {unknown}"
        )


# Class -> what finds the tasks, splits and metrics that it names and that there are not.
_TASKS: dict[Callable[..., Any], Callable[[Wiring, Bound, Part, Given], Iterator[Finding]]] = {
    Stage: _of_stage,
    TrainingData: _of_training,
    EvaluationPlan: _of_evaluation,
    Best: _of_best,
}


def _unknown_tasks(place: str, tasks: Sequence[str]) -> Iterator[Finding]:
    for task in tasks:
        if unknown := task_names.unknown_task(task):
            yield Finding(place, unknown)


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
