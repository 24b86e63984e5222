"""Names of tasks and splits, of which those that the package brings need no TensorFlow.

A name that is none of them may be a task that somebody added under `tasks/`; seqio is asked, once,
in a process of its own, and that takes seconds.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping

from mirasol.data.av_shapes.spec import (
    CAPTIONS,
    CHUNK_CAPTIONS,
    FAMILIES,
    MOTION,
    PARTS,
    SPLITS,
    VARIANTS,
)
from mirasol.data.benchmarks.benchmark import Benchmark
from mirasol.data.benchmarks.catalog import BENCHMARKS, EVALUATED, PRETRAINING
from mirasol.data.benchmarks.manifest import MANIFEST
from mirasol.spelling import nearest

Splits = Mapping[str, tuple[str, ...]]


def unknown_task(name: str) -> str:
    """Returns what is wrong with the name of a task or mixture, "" for a right one."""
    if name in shipped() or name in registered():
        return ""
    return f"no task or mixture {name!r}{nearest(name, registered())}"


def unknown_split(task: str, split: str) -> str:
    """Returns what is wrong with the name of a split of a known task, "" for a right one."""
    splits = shipped().get(task) or registered()[task]
    if split in splits:
        return ""
    near, listed = nearest(split, splits), ", ".join(splits)
    return f"task {task!r} has no split {split!r}{near} (it has: {listed})"


@functools.cache
def shipped() -> Splits:
    """Returns the tasks and mixtures of `tasks/`, as what they are made of says."""
    others = ("joint", MOTION, PARTS, CAPTIONS, CHUNK_CAPTIONS)
    suffixes = ("", *(f"_{each}" for each in (*FAMILIES, *others)))
    shapes = {f"{name}{suffix}": SPLITS for name in VARIANTS for suffix in suffixes}
    sets = {each.name: each.splits for each in (*BENCHMARKS.values(), MANIFEST)}
    mixtures = {"evaluation_suite": _of_any(EVALUATED), "pretraining": _of_any(PRETRAINING)}
    return {**shapes, **sets, **mixtures}


@functools.cache
def registered() -> Splits:
    """Returns every task and mixture that seqio knows, people's own, too."""
    from mirasol.data.task_service import TaskService

    with TaskService() as service:
        return service.tasks()


def _of_any(benchmarks: Iterable[Benchmark]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(split for each in benchmarks for split in each.splits))
