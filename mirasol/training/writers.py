"""Where numbers go: `metrics.jsonl` and `speed.jsonl` for programs, TensorBoard for people."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

METRICS = "metrics.jsonl"
SPEED = "speed.jsonl"


class MetricsWriter:
    """Appends to two files of JSON lines and to TensorBoard's event files, without TensorFlow.

    `metrics.jsonl` holds what the experiment gives, and nothing that depends on the clock or the
    process, so that a resumed run leaves the same file as an unbroken one. One object a line:
    "step", "split", "task" for evaluations, then name: value pairs. `speed.jsonl` holds the rest.
    Opened at a step, both drop what a killed run wrote beyond it: no line ever stands twice.

    Args:
      workdir: of the run; the events go to `logs/`.
      step: steps already done; later lines are dropped.
    """

    def __init__(self, workdir: Path, step: int):
        self.path, self.speed_path = workdir / METRICS, workdir / SPEED
        for path in (self.path, self.speed_path):
            _drop_lines_after(path, step)
        # Not at the top: a GPU image that only trains and times models may lack it.
        from tensorboardX import SummaryWriter

        # purge_step makes TensorBoard forget the killed run's points, too.
        self.events = SummaryWriter(str(workdir / "logs"), purge_step=step + 1)

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
        """Flushes the event files."""
        self.events.close()

    def _draw(self, step: int, values: Mapping[str, float], *folders: str) -> None:
        for name, value in values.items():
            self.events.add_scalar("/".join([*filter(None, folders), name]), value, step)


def recorded_scores(workdir: Path, step: int, split: str) -> dict[str, dict[str, float]]:
    """Returns task -> metric -> value of the evaluations that a run has a line of at a step."""
    path = workdir / METRICS
    lines = [json.loads(line) for line in _whole_lines(path)]
    return {
        line["task"]: {
            name: math.nan if value is None else value
            for name, value in line.items()
            if name not in ("split", "task")
        }
        for line in lines
        if line["step"] == step and line["split"] == split and "task" in line
    }


def _append(path: Path, line: Mapping[str, Any]) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def _whole_lines(path: Path) -> list[str]:
    """Returns the lines of a file, without a last one that a killed run left without its end."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    return [line for line in text.splitlines(keepends=True) if line.endswith("\n")]


def _drop_lines_after(path: Path, step: int) -> None:
    if not path.exists():
        return
    kept = [line for line in _whole_lines(path) if json.loads(line)["step"] <= step]
    if "".join(kept) != path.read_text(encoding="utf-8"):
        temporary = path.with_suffix(".jsonl.tmp")
        temporary.write_text("".join(kept), encoding="utf-8")
        temporary.replace(path)
