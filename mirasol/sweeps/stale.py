"""Trials that a folder has of other code, found again for the trials of a plan.

    meaning       equal: the same configuration, so other sources
    gin text      equal: the same was asked for, and a default or a module is another one now

Where the text differs, too, something else is asked for: that is a new trial.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mirasol.sweeps import sources, stated
from mirasol.sweeps.planning import Planned
from mirasol.sweeps.records import CONFIG, TrialRecord, trial_folder
from mirasol.workdirs import OPERATIVE

_SHOWN = 2  # Parameters that are named.


def older(folder: Path, trial: Planned, records: Sequence[TrialRecord]) -> TrialRecord | None:
    """Returns the trial of other code that stands for a planned one, if there is any.

    Args:
      folder: of the sweep.
      trial: that is planned.
      records: of the folder, without those that the plan has as they are.
    """
    begun = [each for each in records if each.attempts]
    found = [each for each in begun if each.meaning == trial.meaning]
    found = found or [each for each in begun if _asks_the_same(folder, each, trial)]
    # The one that is done, and of several the last.
    return max(found, key=lambda each: (each.state == "done", each.ended or ""), default=None)


def changed(folder: Path, record: TrialRecord, trial: Planned) -> tuple[str, ...]:
    """Returns what has changed since a trial ran: files, and "configuration" with parameters."""
    files = sources.changed(record.sources, trial.sources)
    if record.meaning == trial.meaning:
        return tuple(files)
    then = text_of(trial_folder(folder, record.id) / "workdir" / OPERATIVE)
    names = stated.differing(then, trial.spec.operative) if then else []
    more = ", ..." if len(names) > _SHOWN else ""
    told = f" ({', '.join(names[:_SHOWN])}{more})" if names else ""
    return (*files, f"configuration{told}")


def _asks_the_same(folder: Path, record: TrialRecord, trial: Planned) -> bool:
    text = text_of(trial_folder(folder, record.id) / CONFIG)
    if not text:
        return False
    then, now = stated.read(text), stated.read(trial.spec.declared)
    # Where modules differ, a part was moved, or another one of that name is asked for.
    same_name = record.labels == trial.variant and record.seed == trial.seed
    return then.bound == now.bound and (then.modules == now.modules or same_name)


def text_of(path: Path) -> str:
    """Returns what a file says, "" where there is none."""
    return path.read_text(encoding="utf-8") if path.is_file() else ""
