"""What a trial has scored so far, read of the metrics that its run may be writing."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

from mirasol.training.writers import METRICS, read_lines


def metrics_at(workdir: Path, step: int) -> dict[str, float]:
    """Returns "task/metric" -> value of the evaluations at a step; empty where there are none.

    Values that were not finite are NaN.
    """
    return dict(_evaluations(workdir / METRICS, step))


def newest_step(workdir: Path) -> int:
    """Returns the newest step that the metrics tell of, 0 before the first."""
    return max((line["step"] for line in read_lines(workdir / METRICS)), default=0)


def _evaluations(path: Path, step: int) -> Iterator[tuple[str, float]]:
    for line in read_lines(path):
        if line["step"] == step and "task" in line:
            for name, value in line.items():
                if name not in ("step", "split", "task"):
                    yield f"{line['task']}/{name}", math.nan if value is None else float(value)
