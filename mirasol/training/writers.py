"""Where numbers go: `metrics.jsonl` for programs and TensorBoard for people."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class MetricsWriter:
    """Appends to `metrics.jsonl` and to TensorBoard's event files, without TensorFlow.

    One JSON object a line: "step", "split", "task" for evaluations, then name: value pairs. Opened
    at a step it drops what a killed run wrote beyond it, so that no line ever stands twice.

    Args:
      workdir: of the run; the events go to `logs/`.
      step: steps already done; later lines are dropped.
    """

    def __init__(self, workdir: Path, step: int):
        self.path = workdir / "metrics.jsonl"
        self._drop_lines_after(step)
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
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line | finite) + "\n")
        for name, value in values.items():
            self.events.add_scalar("/".join(filter(None, [split, task, name])), value, step)

    def close(self) -> None:
        """Flushes the event files."""
        self.events.close()

    def _drop_lines_after(self, step: int) -> None:
        if not self.path.exists():
            return
        lines = self.path.read_text(encoding="utf-8").splitlines(keepends=True)
        kept = [line for line in lines if line.endswith("\n") and json.loads(line)["step"] <= step]
        if kept != lines:
            temporary = self.path.with_suffix(".jsonl.tmp")
            temporary.write_text("".join(kept), encoding="utf-8")
            temporary.replace(self.path)
