"""Trials that another sweep has done: looked for in its folder, and copied."""

from __future__ import annotations

import dataclasses
import math
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from mirasol.sweeps import locks
from mirasol.sweeps.records import (
    FROZEN,
    TRIAL,
    TrialRecord,
    all_trials,
    read_sweep,
    trial_folder,
)
from mirasol.sweeps.scores import metrics_at

_DRAFT = ".draft"  # In the trial's folder, whose lock its writer holds.


def done(other: Path, metrics: Sequence[str]) -> Iterator[tuple[TrialRecord, Path]]:
    """Yields what another sweep has done that has the metrics, each with its folder.

    Raises:
      ValueError: the folder holds no sweep, or results that were kept of one.
    """
    name = read_sweep(other).name
    if not (other / FROZEN).is_dir():
        raise ValueError(
            f"--reuse={other} holds results that were kept of a sweep, without checkpoints; name "
            "the folder in which it was trained"
        )
    for record in all_trials(other):
        inside = trial_folder(other, record.id)
        scored = metrics_at(inside / "workdir", record.steps)
        if record.state == "done" and all(math.isfinite(scored.get(m, math.nan)) for m in metrics):
            yield dataclasses.replace(record, taken_from=record.taken_from or name), inside


def copy(trial: Path, folder: Path) -> None:
    """Copies a trial's folder but for its record and its lock, each of its entries whole or not.

    A process that is killed leaves a draft, which nobody takes for a workdir.
    """
    discard(folder)
    draft = folder / _DRAFT

    def left_out(inside: str, names: list[str]) -> set[str]:
        return {TRIAL, locks.LOCK, _DRAFT} & set(names) if Path(inside) == trial else set()

    try:
        shutil.copytree(trial, draft, ignore=left_out)
        for path in sorted(draft.iterdir()):
            target = folder / path.name
            if target.is_dir():  # Nothing is renamed over a folder.
                target.rename(draft / f"{path.name}.before")
            path.rename(target)
    finally:
        discard(folder)


def discard(folder: Path) -> None:
    """Removes the draft of a copy that was cut off, if there is one."""
    shutil.rmtree(folder / _DRAFT, ignore_errors=True)
