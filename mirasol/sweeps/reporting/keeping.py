"""A sweep's results without what trained them: small enough for a repository, enough for a report.

    sweep.json              as it is
    trials/<id>/trial.json  what became of the trial; nothing of processes and host
    trials/<id>/workdir/    config.gin, metrics.jsonl, the last start of provenance.json and
                            eval/*-predictions.jsonl.gz, with media named from the data folder

No checkpoints, logs and frozen code; of paths only those that the sweep's command and the gin files
name. A report reads such a folder as it reads a sweep's own.
"""

from __future__ import annotations

import dataclasses
import gzip
import json
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mirasol import workdirs
from mirasol.data.root import ENVIRONMENT_VARIABLE
from mirasol.sweeps import locks, records
from mirasol.sweeps.ending import is_cut_off
from mirasol.sweeps.reporting import workdir_files
from mirasol.training.writers import METRICS, read_lines

# What may lie in a folder of kept results; the last is for people.
_OURS = (records.SWEEP, "trials", "report", "README.md")
_DRAFT, _BEFORE = ".trials.new", ".trials.before"  # A call that was cut off leaves them.
_FOLDERS = re.compile(r"(?<![\w.:/])~?/(?:[^\s/'\":]+/)+")
# Of a start: what sets the run apart. The others name files and machines, or say it again.
_KEPT = (
    "started",
    "operative",
    "seed",
    "runtime",
    "packages",
    "data",
    "python",
    "cores",
)
_KEPT_OF_CODE = ("commit", "changed")
_KEPT_OF_WARM_START = ("step", "checksum")


def keep(sweep: Path, folder: Path) -> None:
    """Copies what reports are made of: some 100 kB a trial of AV-Shapes.

    Args:
      sweep: folder in which a sweep is or was trained.
      folder: where it goes: new, or with results that were kept before, which are replaced once the
        new ones are whole. Cut off in that moment, the same call again makes it whole.

    Raises:
      ValueError: the first holds no sweep, or kept results, or a trial that is at work; the second
        something but kept results.
      OSError: it cannot be written.
    """
    found, trials = records.read_sweep(sweep), records.read_trials(sweep)
    if not (sweep / records.FROZEN).is_dir():
        raise ValueError(f"{sweep} holds results that were kept already; copy the folder as it is")
    _require_at_rest(sweep, trials)
    _require_free(folder)
    folder.mkdir(parents=True, exist_ok=True)
    trials_folder, draft, before = folder / "trials", folder / _DRAFT, folder / _BEFORE
    shutil.rmtree(draft, ignore_errors=True)
    try:
        for trial in trials:
            if isinstance(trial, records.TrialRecord):
                inside = draft / trial.id
                records.write_trial(inside, _without_machine(trial))
                _keep_workdir(records.trial_folder(sweep, trial.id) / "workdir", inside / "workdir")
        draft.mkdir(exist_ok=True)
        records.write_sweep(folder, found)
        if trials_folder.exists():
            shutil.rmtree(before, ignore_errors=True)
            trials_folder.rename(before)
        draft.rename(trials_folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    shutil.rmtree(before, ignore_errors=True)


def _require_at_rest(
    sweep: Path, trials: Sequence[records.TrialRecord | records.PlannedTrial]
) -> None:
    """Raises ValueError where a trial may be at work: its copy is not told from one cut off."""
    begun = [each for each in trials if isinstance(each, records.TrialRecord)]
    for trial in begun:
        inside = records.trial_folder(sweep, trial.id)
        if trial.state != "running" or is_cut_off(inside, trial):
            continue
        if locks.is_held(inside):
            raise ValueError(
                f"trial {trial.id} of {sweep} is running; keep the results when it has ended"
            )
        raise ValueError(
            f"trial {trial.id} of {sweep} is running on {trial.host}, or was cut off there, which "
            "cannot be seen here: where it is, keep the results when it has ended; if it was cut "
            "off, give the sweep's command again, which goes on with it"
        )


def _require_free(folder: Path) -> None:
    """Raises ValueError where something lies that is not replaced: a sweep at work, say."""
    if folder.is_file():
        raise ValueError(f"--keep={folder} is a file; name a folder")
    found = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    others = [name for name in found if name not in (*_OURS, _DRAFT, _BEFORE)]
    # A first call that was cut off may have left no more than its drafts.
    made_here = {records.SWEEP, _DRAFT, _BEFORE} & {*found}
    if others or (found and not made_here):
        named = (others or found)[0]
        raise ValueError(
            f"{folder} holds {named!r} and so more than kept results, which would be replaced; "
            "name a new folder, or one that --keep has made"
        )


def _without_machine(trial: records.TrialRecord) -> records.TrialRecord:
    return dataclasses.replace(
        trial,
        sources={},
        # The lines above the last are of the code that failed, and name its files.
        error=_without_folders("".join(trial.error.strip().splitlines()[-1:])),
        reason=_without_folders(trial.reason),
        host=None,
        command="",
        pid=None,
        process=None,
        scheduler=None,
    )


def _without_folders(text: str) -> str:
    """Returns a message with files by their names alone: `'/home/me/a.mp4'` is `'a.mp4'`."""
    return _FOLDERS.sub("", text)


def _keep_workdir(workdir: Path, folder: Path) -> None:
    start = workdir_files.last_start(workdir)
    if not start:
        return  # It was never begun.
    folder.mkdir(parents=True)
    for name in (workdirs.CONFIG, METRICS):
        if (workdir / name).is_file():
            shutil.copyfile(workdir / name, folder / name)
    code = {name: value for name, value in start.get("code", {}).items() if name in _KEPT_OF_CODE}
    kept = {name: start[name] for name in _KEPT if name in start} | {"code": code}
    if begun := start.get("warm_start"):
        kept["warm_start"] = {name: begun[name] for name in _KEPT_OF_WARM_START}
    text = json.dumps({"starts": [kept]}, indent=1)
    (folder / workdirs.PROVENANCE).write_text(f"{text}\n", encoding="utf-8")
    data = _data_folder(start)
    for path in sorted((workdir / "eval").glob("*-predictions.jsonl")):
        rows = read_lines(path)
        text = "".join(json.dumps(_named_from(data, row)) + "\n" for row in rows)
        packed = folder / "eval" / f"{path.name}.gz"
        packed.parent.mkdir(exist_ok=True)
        # Without the time of packing, so that equal answers give equal files.
        packed.write_bytes(gzip.compress(text.encode(), mtime=0))


def _data_folder(start: Mapping[str, Any]) -> Path:
    """Returns where the run had its data sets, see `data_root`."""
    named = start.get("environment", {}).get(ENVIRONMENT_VARIABLE) or "data"
    return Path(start.get("directory", "."), Path(named).expanduser())


def _named_from(data: Path, row: dict[str, Any]) -> dict[str, Any]:
    media = Path(row["media"])
    within = media.is_relative_to(data)
    return {**row, "media": media.relative_to(data).as_posix() if within else row["media"]}
