"""How long a training still takes, from a given rate or from what a run has logged."""

from __future__ import annotations

import dataclasses
import json
import statistics
from pathlib import Path
from typing import Any

from mirasol.experiment import Experiment

_LINES = 5  # The last ones, of which the median counts: single ones swing.


@dataclasses.dataclass(frozen=True)
class Progress:
    """What a run's speed.jsonl says.

    Attributes:
      step: steps done.
      examples_per_s: median of the last lines; None before there is one.
    """

    step: int = 0
    examples_per_s: float | None = None


def progress(speed: Path) -> Progress:
    """Reads a run's speed.jsonl; one that is not there is a run not begun."""
    text = speed.read_text(encoding="utf-8") if speed.is_file() else ""
    whole = [line for line in text.splitlines(keepends=True) if line.endswith("\n")]
    lines = [json.loads(line) for line in whole]
    rates = [line["examples_per_s"] for line in lines[-_LINES:]]
    return Progress(
        step=lines[-1]["step"] if lines else 0,
        examples_per_s=statistics.median(rates) if rates else None,
    )


def remaining(
    experiment: Experiment, done: Progress | None, steps_per_second: float | None = None
) -> dict[str, Any] | None:
    """Returns the steps that are left and their time; None where no rate is known.

    A given rate holds for every step. A logged one is of examples a second, which stays alike when
    a stage changes the size of the batch.

    Raises:
      ValueError: a rate that is not above 0.
    """
    if steps_per_second is not None and not steps_per_second > 0:
        raise ValueError(f"--steps_per_second={steps_per_second}; it must be above 0")
    done = done or Progress()
    left = range(done.step, experiment.trainer.steps)
    if steps_per_second is not None:
        seconds, source = len(left) / steps_per_second, "given"
    elif done.examples_per_s:
        seconds = _examples(experiment, left) / done.examples_per_s
        source = "speed.jsonl"
    else:
        return None
    return {
        "steps_done": done.step,
        "steps_left": len(left),
        "seconds": seconds,
        "rate": source,
        "assumptions": ["training steps alone: no start, evaluation or checkpoint"],
    }


def _examples(experiment: Experiment, steps: range) -> int:
    """Counts the examples of some steps, stage after stage."""
    data, shape = experiment.training, experiment.converter.shape
    total, first = 0, 0
    for stage in data.stages:
        end = experiment.trainer.steps if stage.batches is None else first + stage.batches
        own = len(range(max(first, steps.start), min(end, steps.stop)))
        total += own * stage.examples(data.batch_size, shape)
        first = end
    return total
