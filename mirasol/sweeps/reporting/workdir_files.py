"""What a run leaves in its workdir, read without building anything of it."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from mirasol import workdirs
from mirasol.training.writers import METRICS, read_lines


@dataclasses.dataclass(frozen=True)
class Score:
    """A metric's value at a step.

    Attributes:
      value: of it.
      split: that it was counted on.
    """

    value: float
    split: str


Curve = list[tuple[int, float]]
"""Steps and values, in ascending order of steps."""


def score(workdir: Path, metric: str, step: int | None) -> Score | None:
    """Returns "TASK/METRIC" as the evaluation after a step counted it; None: it did not.

    A value that is not a number (null) is none.
    """
    task, _, name = metric.partition("/")
    found = None
    for line in read_lines(workdir / METRICS):
        if line["step"] == step and line.get("task") == task and line.get(name) is not None:
            found = Score(float(line[name]), line["split"])  # The last one counts, as for `scores`.
    return found


def curve(workdir: Path, metric: str) -> Curve:
    """Returns "TASK/METRIC" at every evaluation; "train/NAME" is of the log of the training."""
    task, _, name = metric.partition("/")
    of_training = task == "train"
    return [
        (line["step"], float(line[name]))
        for line in read_lines(workdir / METRICS)
        if line.get(name) is not None
        and ((line["split"] == "train") if of_training else (line.get("task") == task))
    ]


def final_step(workdir: Path) -> int | None:
    """Returns the step at which the run ends, None if its record does not say."""
    steps = meaning(workdir).get("mirasol.experiment.Trainer.steps")
    return None if steps is None else int(steps)


def seed(workdir: Path) -> int | None:
    """Returns the run's seed, None if its record does not say."""
    found = last_start(workdir).get("seed")
    return None if found is None else int(found)


def meaning(workdir: Path) -> dict[str, str]:
    """Returns parameter -> value, as text, of all that the run was; empty without a record."""
    return dict(last_start(workdir).get("operative", {}))


def last_start(workdir: Path) -> dict[str, Any]:
    """Returns the record of the run's last start; empty where there is none."""
    path = workdir / workdirs.PROVENANCE
    return workdirs.last_start(workdir) if path.is_file() else {}
