"""What a trial has scored so far, read of the metrics that its run may be writing."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from mirasol.training.writers import METRICS, read_lines


def metrics_at(workdir: Path, step: int) -> dict[str, float]:
    """Returns "task/metric" -> value of the evaluations at a step; empty where there are none.

    Values that were not finite are NaN.
    """
    return dict(_evaluations(read_lines(workdir / METRICS), step))


def newest(workdir: Path) -> tuple[int, dict[str, float]]:
    """Returns the newest step that the metrics tell of, 0 before the first, and its evaluations.

    A file that has not grown since is not read again: this is asked every second.
    """
    path = workdir / METRICS
    try:
        now = path.stat()
    except FileNotFoundError:
        return 0, {}
    return _newest(path, now.st_mtime_ns, now.st_size)


@functools.lru_cache(maxsize=4096)
def _newest(path: Path, changed_ns: int, size: int) -> tuple[int, dict[str, float]]:
    lines = list(read_lines(path))
    step = max((line["step"] for line in lines), default=0)
    return step, dict(_evaluations(lines, step))


def _evaluations(lines: Iterable[dict[str, Any]], step: int) -> Iterator[tuple[str, float]]:
    for line in lines:
        if line["step"] == step and "task" in line:
            for name, value in line.items():
                if name not in ("step", "split", "task"):
                    yield f"{line['task']}/{name}", math.nan if value is None else float(value)
