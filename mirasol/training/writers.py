"""Where numbers go: `metrics.jsonl` and `speed.jsonl` for programs, curves for people."""

from __future__ import annotations

import abc
import contextlib
import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mirasol.training.curves import Curves, TensorBoard

METRICS = "metrics.jsonl"
SPEED = "speed.jsonl"


class Metrics(abc.ABC):
    """Takes the numbers of a run."""

    @abc.abstractmethod
    def write(self, step: int, split: str, values: Mapping[str, float], task: str = "") -> None:
        """Takes what the experiment gave at a step."""

    @abc.abstractmethod
    def write_speed(self, step: int, values: Mapping[str, float]) -> None:
        """Takes what depends on the clock and the process."""

    @abc.abstractmethod
    def sync(self) -> None:
        """Brings what was taken to the disk."""

    @abc.abstractmethod
    def close(self) -> None:
        """Takes no more."""


class NoMetrics(Metrics):
    """Drops them: another process of the run writes the same ones."""

    def write(self, step: int, split: str, values: Mapping[str, float], task: str = "") -> None:
        """Does nothing."""

    def write_speed(self, step: int, values: Mapping[str, float]) -> None:
        """Does nothing."""

    def sync(self) -> None:
        """Does nothing."""

    def close(self) -> None:
        """Does nothing."""


class MetricsWriter(Metrics):
    """Appends to two files of JSON lines, to TensorBoard's event files and to other curves.

    `metrics.jsonl` holds what the experiment gives, and nothing that depends on the clock or the
    process, so that a resumed run leaves the same file as an unbroken one. One object a line:
    "step", "split", "task" for evaluations, then name: value pairs. `speed.jsonl` holds the rest.
    Opened at a step, both drop what a killed run wrote beyond it: no line ever stands twice.

    Args:
      workdir: of the run; the events go to `logs/`.
      step: steps already done; later lines are dropped.
      curves: besides TensorBoard's; closed with the writer.
    """

    def __init__(self, workdir: Path, step: int, curves: Sequence[Curves] = ()):
        self.path, self.speed_path = workdir / METRICS, workdir / SPEED
        for path in (self.path, self.speed_path):
            _drop_lines_after(path, step)
        self.curves = [TensorBoard(workdir, step), *curves]

    def write(self, step: int, split: str, values: Mapping[str, float], task: str = "") -> None:
        """Writes one line and one point a value."""
        line: dict[str, Any] = {"step": step, "split": split}
        if task:
            line["task"] = task
        # JSON has no NaN: what is not finite is null, as in the evaluation's files.
        finite = {name: value if math.isfinite(value) else None for name, value in values.items()}
        _append(self.path, line | finite)
        self._draw(step, values, split, task)

    def write_speed(self, step: int, values: Mapping[str, float]) -> None:
        """Writes one line, of the training, and one point a value."""
        _append(self.speed_path, {"step": step, **values})
        self._draw(step, values, "train")

    def sync(self) -> None:
        """Brings the lines to the disk: a crash of the machine may lose no line of a saved step."""
        for path in (self.path, self.speed_path):
            if path.exists():
                with path.open("rb") as file:
                    os.fsync(file.fileno())

    def close(self) -> None:
        """Closes the curves, each whatever becomes of the others."""
        with contextlib.ExitStack() as stack:
            for each in self.curves:
                stack.callback(each.close)

    def _draw(self, step: int, values: Mapping[str, float], *folders: str) -> None:
        points = {"/".join([*filter(None, folders), name]): value for name, value in values.items()}
        for each in self.curves:
            each.add(step, points)


def recorded_scores(workdir: Path, step: int, split: str) -> dict[str, dict[str, float]]:
    """Returns task -> metric -> value of the evaluations that a run has a line of at a step."""
    return {
        line["task"]: {
            name: math.nan if value is None else value
            for name, value in line.items()
            if name not in ("split", "task")
        }
        for line in read_lines(workdir / METRICS)
        if line["step"] == step and line["split"] == split and "task" in line
    }


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Yields the objects of a file of JSON lines, but for a last one that is being written."""
    if path.is_file():
        with path.open(encoding="utf-8") as file:
            yield from (json.loads(line) for line in file if line.endswith("\n"))


def _append(path: Path, line: Mapping[str, Any]) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def _drop_lines_after(path: Path, step: int) -> None:
    if not path.exists():
        return
    text = path.read_text(encoding="utf-8")
    whole = [line for line in text.splitlines(keepends=True) if line.endswith("\n")]
    kept = [line for line in whole if json.loads(line)["step"] <= step]
    if "".join(kept) != text:
        temporary = path.with_suffix(".jsonl.tmp")
        temporary.write_text("".join(kept), encoding="utf-8")
        temporary.replace(path)
