"""From a plan to folders of trials: code and configuration frozen, what is there already kept.

planned -> same id there?       yes: it stays as it is, with the code that it began with
                                no, same meaning under other sources: stale
                                no: trials/<id>/ with trial.gin and a pending trial.json
"""

from __future__ import annotations

import dataclasses
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from mirasol.provenance import code
from mirasol.sweeps import locks, sources
from mirasol.sweeps.attempt import Attempt
from mirasol.sweeps.plan import Sweep, told
from mirasol.sweeps.planning import Planned
from mirasol.sweeps.records import (
    TRIAL,
    PlannedTrial,
    SweepRecord,
    TrialRecord,
    all_trials,
    read_trial,
    trial_folder,
    write_sweep,
    write_trial,
)
from mirasol.sweeps.watch import Rules

CONFIG = "trial.gin"
Stale = Literal["ask", "keep", "retrain"]


@dataclasses.dataclass(frozen=True)
class Chosen:
    """A planned trial and the record that stands for it.

    Attributes:
      planned: of now.
      record: of the same id; of another where a stale one stands for it; None: not begun.
      stale_files: what changed since the record's trial began.
    """

    planned: Planned
    record: TrialRecord | None
    stale_files: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """Of the trial that counts."""
        return self.record.id if self.record else self.planned.id


def chosen(folder: Path, trials: Sequence[Planned]) -> list[Chosen]:
    """Returns what the folder has of each planned trial, stale ones too."""
    records = all_trials(folder)
    by_id = {record.id: record for record in records}
    return [_chosen(trial, by_id, records) for trial in trials]


def settled(found: Sequence[Chosen], stale: Stale) -> list[Chosen]:
    """Returns what is run, after a decision about what is stale.

    Raises:
      ValueError: something finished is stale, and nobody has decided.
    """
    old = [each for each in found if each.stale_files]
    if old and stale == "ask":
        files = sorted({name for each in old for name in each.stale_files})
        raise ValueError(
            f"{len(old)} trials of this sweep ran with other code ({', '.join(files[:4])}"
            f"{', ...' if len(files) > 4 else ''} changed): --stale=keep lets them stand (and goes "
            "on with their own code), --stale=retrain trains them anew beside the old ones"
        )
    if stale == "keep":
        return list(found)
    return [Chosen(each.planned, None) if each.stale_files else each for each in found]


def submit(
    folder: Path,
    sweep: Sweep,
    name: str,
    found: Sequence[Chosen],
    arguments: Sequence[str],
) -> SweepRecord:
    """Freezes the code and writes the sweep, and each trial that is not there yet."""
    here = sources.freeze(folder / "code", [each.planned.spec for each in found])
    commit = code.commit(code.package())["commit"]
    for each in found:
        _write(folder, each, here, commit)
    record = SweepRecord(
        name=name,
        hypothesis=sweep.hypothesis,
        metrics=list(sweep.metrics),
        baseline=sweep.ordered_baseline(),
        axes=[{"name": axis.name, "labels": list(axis.labels)} for axis in sweep.axes],
        plan=sweep.plan.name,
        seeds=list(sweep.seeds),
        base_files=list(sweep.base),
        bindings=list(sweep.bindings),
        trials=[
            PlannedTrial(id=each.id, labels=each.planned.variant, seed=each.planned.seed)
            for each in found
        ],
        commit=commit,
        code=here,
        command=shlex.join(["python", "tools/sweep.py", *arguments]),
    )
    write_sweep(folder, record)
    return record


def attempt(folder: Path, trial: str, sweep: Sweep, runtime: str) -> Attempt:
    """Returns how a trial of the folder is trained, with the code that it began with.

    Devices and threads are given by whoever starts it: those of here may not be those of there.
    """
    inside = trial_folder(folder, trial).absolute()
    frozen = (folder / "code" / read_trial(inside).code).absolute()
    return Attempt(
        folder=inside,
        command=(
            sys.executable,
            "-P",  # Or the checkout in which people stand would come before the frozen code.
            "-m",
            "mirasol",
            "train",
            f"--gin_file={inside / CONFIG}",
            f"--workdir={inside / 'workdir'}",
            f"--runtime={runtime}",
        ),
        environment={"PYTHONPATH": str(frozen)},
        rules=Rules(
            metrics=tuple(sweep.metrics),
            early_stop=sweep.early_stop,
            limit_s=sweep.limit_s,
            silence_s=sweep.silence_s,
        ),
    )


def _chosen(
    trial: Planned, by_id: Mapping[str, TrialRecord], records: Sequence[TrialRecord]
) -> Chosen:
    if trial.id in by_id:
        return Chosen(trial, by_id[trial.id])
    older = [each for each in records if each.meaning == trial.meaning and each.attempts]
    if not older:
        return Chosen(trial, None)
    # The one that is done, and of several the last.
    best = max(older, key=lambda each: (each.state == "done", each.ended or ""))
    return Chosen(trial, best, tuple(sources.changed(best.sources, trial.sources)))


def _write(folder: Path, each: Chosen, here: str, commit: str | None) -> None:
    inside, planned = trial_folder(folder, each.id), each.planned
    with locks.held(inside) as lock:
        if lock is None:
            return  # Somebody trains it now.
        if (inside / TRIAL).is_file():
            record = read_trial(inside)
            now = dataclasses.replace(
                record, labels=dict(planned.variant), stale_files=list(each.stale_files)
            )
            if now != record:
                write_trial(inside, now)
            return
        header = f"# {told(planned.variant)}, seed {planned.seed}: the whole of it.\n\n"
        (inside / CONFIG).write_text(header + planned.spec.declared, encoding="utf-8")
        record = TrialRecord(
            id=planned.id,
            labels=planned.variant,
            seed=planned.seed,
            steps=planned.steps,
            commit=commit,
            code=here,
            sources=planned.sources,
            meaning=planned.meaning,
        )
        write_trial(inside, record)
