"""From a plan to folders of trials: code and configuration frozen, what is there already kept.

planned -> same id there?       yes: it stays as it is, with the code that it began with
                                no, done under this id in another sweep: copied from there
                                no, the same was asked for under other code: stale
                                no: trials/<id>/ with trial.gin and a pending trial.json
"""

from __future__ import annotations

import dataclasses
import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from mirasol.provenance import code
from mirasol.sweeps import locks, reuse, sources, stale
from mirasol.sweeps.attempt import Attempt
from mirasol.sweeps.plan import Sweep, told
from mirasol.sweeps.planning import Planned
from mirasol.sweeps.records import (
    CONFIG,
    FROZEN,
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

Stale = Literal["ask", "keep", "retrain"]


@dataclasses.dataclass(frozen=True)
class Chosen:
    """A planned trial and the record that stands for it.

    Attributes:
      planned: of now.
      record: of the same id; of another where a stale one stands for it; None: not begun.
      stale_files: what changed since the record's trial began, see `stale.changed`.
      elsewhere: folder of the trial in another sweep, if it is done there and to be copied.
    """

    planned: Planned
    record: TrialRecord | None
    stale_files: tuple[str, ...] = ()
    elsewhere: Path | None = None

    @property
    def id(self) -> str:
        """Of the trial that counts."""
        return self.record.id if self.record else self.planned.id


def chosen(
    folder: Path,
    trials: Sequence[Planned],
    others: Sequence[Path] = (),
    metrics: Sequence[str] = (),
) -> list[Chosen]:
    """Returns what the folder has of each planned trial, stale ones too.

    Args:
      folder: of the sweep; it need not be there.
      trials: that are planned.
      others: folders of sweeps from which trials are taken that are done there and not begun here:
        the same configuration under the same code.
      metrics: "task/metric" each that a trial must have, finite, to be taken.

    Raises:
      ValueError: one of the others holds no sweep, or results that were kept of one.
    """
    by_id = {record.id: record for record in all_trials(folder)}
    done = {each[0].id: each for other in others for each in reuse.done(other, metrics)}
    planned = {trial.id for trial in trials}
    others_here = [record for name, record in by_id.items() if name not in planned]
    return [
        _chosen(trial, by_id.get(trial.id), done) or _stale(folder, trial, others_here)
        for trial in trials
    ]


def settled(found: Sequence[Chosen], decision: Stale) -> list[Chosen]:
    """Returns what is run, after a decision about what is stale.

    Raises:
      ValueError: something finished is stale, and nobody has decided.
    """
    old = [each for each in found if each.stale_files]
    if old and decision == "ask":
        files = sorted({name for each in old for name in each.stale_files})
        raise ValueError(
            f"{len(old)} trials of this sweep ran with other code ({', '.join(files[:4])}"
            f"{', ...' if len(files) > 4 else ''} changed): --stale=keep lets them stand (and goes "
            "on with their own code), --stale=retrain trains them anew beside the old ones"
        )
    if decision == "keep":
        return list(found)
    return [Chosen(each.planned, None) if each.stale_files else each for each in found]


def submit(
    folder: Path,
    sweep: Sweep,
    files: Sequence[str],
    found: Sequence[Chosen],
    arguments: Sequence[str],
) -> SweepRecord:
    """Freezes the code, writes the sweep and its new trials, copies those done elsewhere.

    Raises:
      ValueError: the code was edited meanwhile, or another call copies a trial.
    """
    here = sources.freeze(folder / FROZEN, [each.planned.spec for each in found])
    commit = _commit()
    for each in found:
        _write(folder, each, here, commit)
    record = SweepRecord(
        name=folder.resolve().name,
        hypothesis=sweep.hypothesis,
        metrics=list(sweep.metrics),
        baseline=sweep.ordered_baseline(),
        axes=[{"name": axis.name, "labels": list(axis.labels)} for axis in sweep.axes],
        plan=sweep.plan.name,
        seeds=list(sweep.seeds),
        base_files=list(sweep.base),
        bindings=list(sweep.bindings),
        trials=[
            PlannedTrial(
                id=each.id,
                labels=each.planned.variant,
                seed=each.planned.seed,
                stale_files=list(each.stale_files),
            )
            for each in found
        ],
        commit=commit,
        code=here,
        command=shlex.join(["python", "tools/sweep.py", *arguments]),
        gin_files=list(files),
    )
    write_sweep(folder, record)
    return record


def _commit() -> str | None:
    """Returns the commit of the code, and says where that is not all of it."""
    found = code.commit(code.package())
    commit: str | None = found["commit"]
    return f"{commit} with uncommitted changes" if commit and found["changed"] else commit


def attempt(folder: Path, trial: str, sweep: Sweep, runtime: str) -> Attempt:
    """Returns how a trial of the folder is trained, with the code that it began with.

    Devices and threads are given by whoever starts it: those of here may not be those of there.
    """
    inside = trial_folder(folder, trial).absolute()
    frozen = (folder / FROZEN / read_trial(inside).code).absolute()
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
        environment={"PYTHONPATH": os.pathsep.join([str(frozen), *_python_path()])},
        rules=Rules(
            metrics=tuple(sweep.metrics),
            early_stop=sweep.early_stop,
            limit_s=sweep.limit_s,
            silence_s=sweep.silence_s,
            grace_s=sweep.grace_s,
        ),
    )


def _python_path() -> list[str]:
    """Returns where Python looks first here, as a trial has to that is started somewhere else."""
    given = os.environ.get("PYTHONPATH")
    return [str(Path(each).absolute()) for each in given.split(os.pathsep)] if given else []


def _chosen(
    trial: Planned, here: TrialRecord | None, done: Mapping[str, tuple[TrialRecord, Path]]
) -> Chosen | None:
    """Returns the trial of this very id, of another sweep or of this one."""
    if trial.id in done and not (here and here.attempts):
        record, elsewhere = done[trial.id]
        # Labels are those of this plan; the equal id says that nothing of it is stale.
        taken = dataclasses.replace(record, labels=dict(trial.variant), stale_files=[])
        return Chosen(trial, taken, elsewhere=elsewhere)
    return Chosen(trial, here) if here else None


def _stale(folder: Path, trial: Planned, records: Sequence[TrialRecord]) -> Chosen:
    """Returns the trial with one of other code, if there is any."""
    best = stale.older(folder, trial, records)
    return Chosen(trial, best, stale.changed(folder, best, trial) if best else ())


def _write(folder: Path, each: Chosen, here: str, commit: str | None) -> None:
    inside = trial_folder(folder, each.id)
    with locks.held(inside) as lock:
        # Another call may have begun or ended it since it was looked for: what is there now counts.
        there = read_trial(inside) if (inside / TRIAL).is_file() else None
        if lock is None:
            if there is None:
                raise ValueError(
                    f"{inside} is being copied by another call of this sweep; give the command "
                    "again when it has ended"
                )
            return  # Somebody trains it now.
        reuse.discard(inside)
        if each.elsewhere and each.record and not (there and there.attempts):
            reuse.copy(each.elsewhere, inside)
            # Last, so that a copy that was cut off is made again.
            write_trial(inside, each.record)
        elif there:
            labels, stale_files = dict(each.planned.variant), list(each.stale_files)
            now = dataclasses.replace(there, labels=labels, stale_files=stale_files)
            if now != there:
                write_trial(inside, now)
        else:
            _begin(inside, each.planned, here, commit)


def _begin(inside: Path, planned: Planned, here: str, commit: str | None) -> None:
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
        # Somebody trained there already: by the commands for elsewhere, or before the record went.
        seconds_incomplete=(inside / "workdir").exists(),
    )
    write_trial(inside, record)
