"""What a sweep's folder says of it: which trials there are, and what became of each.

    sweep.json              the question and the plan; written anew at each submit
    code/<hash>/            the package as it was then; trials run from there
    trials/<id>/trial.json  what became of one trial
    trials/<id>/trial.gin   its whole configuration
    trials/<id>/workdir/    an ordinary workdir
    trials/<id>/log.txt     stdout and stderr of all attempts

Nothing here needs torch, gin or a running sweep: reports read these files alone.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

from mirasol.spelling import closest, hint
from mirasol.training.writers import METRICS

# pending    not begun, or stopped in order and to be gone on with
# running    an attempt is under way, or was cut off: whoever holds trials/<id>/lock knows
# done       the process ended with 0, and its final metrics are there
# failed     it ended otherwise, or hung, or ended with 0 and without them: see `reason`
# stopped    ended early by the sweep's own rule: see `reason`
State = Literal["pending", "running", "done", "failed", "stopped"]

FROZEN = "code"
SWEEP = "sweep.json"
TRIAL = "trial.json"
CONFIG = "trial.gin"


@dataclasses.dataclass(frozen=True, kw_only=True)
class PlannedTrial:
    """One trial of the plan.

    What may change while it runs stands here, for its own record is then its watcher's alone.

    Attributes:
      id: of the trial that counts.
      labels: axis -> label.
      seed: of the trial.
      stale_files: what it uses that differed from what it ran with as of the submit; None: the
        sweep was written before this was kept here, and the trial's record says it.
    """

    id: str
    labels: Mapping[str, str]
    seed: int
    stale_files: Sequence[str] | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class SweepRecord:
    """What is asked, and by which trials.

    Attributes:
      name: of its folder.
      hypothesis: what is expected, in prose.
      metrics: "task/metric" each, the first being the one that is judged by.
      baseline: axis -> label of the variant that others are compared with; empty: none.
      axes: [{"name": axis, "labels": [label, ...]}, ...].
      plan: name of its kind, such as "grid".
      seeds: of each variant.
      base_files: gin files of the base run.
      bindings: "NAME = VALUE" over them, in all trials.
      trials: the plan, in order.
      commit: of the code, and whether it had changes besides; None outside git.
      code: name of the folder under `code/`.
      command: the command line that submitted it.
      gin_files: that state it, as they were given; empty: written before this was kept.
    """

    name: str
    hypothesis: str
    metrics: list[str]
    baseline: dict[str, str]
    axes: list[dict[str, Any]]
    plan: str
    seeds: list[int]
    base_files: list[str]
    bindings: list[str]
    trials: list[PlannedTrial]
    commit: str | None
    code: str
    command: str
    gin_files: list[str] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrialRecord:
    """What became of one trial.

    Attributes:
      id: hash of its meaning: operative configuration and the source files that it uses.
      labels: axis -> label.
      seed: of parameters, data order, dropout and masking.
      steps: at the last of which its final metrics stand.
      state: see `State`.
      attempts: how often its process was started.
      exit_code: of the last attempt; negative: the signal that ended it.
      error: the last lines of its log, where it failed.
      reason: why it failed, or was stopped.
      looked_at: the step at which an early-stop rule has judged it; None: none has.
      commit: of the code that it runs, as of the sweep.
      code: name of its folder under `code/`; of one that was taken, in that other sweep's folder.
      started: of the first attempt, ISO 8601 with its zone.
      attempt_started: of the last attempt.
      ended: of the last attempt.
      seconds: of all attempts together that a watcher saw the end of.
      seconds_incomplete: whether there was another, whose watcher was cut off.
      host: machine of the last attempt.
      device: what the run says of its runtime and device.
      command: of the last attempt.
      stale_files: source files that it uses and that differed from those it ran with as of the
        last submit, and its "configuration", where other code makes it another one; the plan's
        own come before these.
      sources: source file that it uses -> SHA-256, as it ran.
      meaning: hash of its configuration alone: equal for one trial under two states of the code.
      pid: of the process that watches over the attempt.
      process: of the attempt itself, which leads its process group.
      scheduler: of the process that started the attempt.
      taken_from: name of the sweep that trained it, where that was another.
    """

    id: str
    labels: dict[str, str]
    seed: int
    steps: int
    state: State = "pending"
    attempts: int = 0
    exit_code: int | None = None
    error: str = ""
    reason: str = ""
    looked_at: int | None = None
    commit: str | None = None
    code: str = ""
    started: str | None = None
    ended: str | None = None
    seconds: float = 0.0
    host: str | None = None
    device: str | None = None
    command: str = ""
    stale_files: list[str] = dataclasses.field(default_factory=list)
    sources: dict[str, str] = dataclasses.field(default_factory=dict)
    meaning: str = ""
    pid: int | None = None
    process: int | None = None
    scheduler: int | None = None
    taken_from: str | None = None
    attempt_started: str | None = None
    seconds_incomplete: bool = False

    def __post_init__(self) -> None:
        if self.state not in get_args(State):
            raise ValueError(
                f"trial {self.id} has state {self.state!r}; it must be one of "
                f"{', '.join(get_args(State))}"
            )


def trial_folder(sweep: Path, trial: str) -> Path:
    """Returns the folder of a trial of the sweep in the folder `sweep`."""
    return sweep / "trials" / trial


def read_sweep(folder: Path) -> SweepRecord:
    """Returns what `sweep.json` says.

    Raises:
      ValueError: the folder holds no sweep, or one of another version.
    """
    path = folder / SWEEP
    if not path.is_file():
        others = [other.parent.name for other in folder.parent.glob(f"*/{SWEEP}")]
        near = closest(folder.name, others)
        if (folder / METRICS).is_file():
            said = f"it is a workdir, a single run: --run=NAME={folder} reports it"
        elif folder.suffix == ".gin":
            said = f"a sweep's folder is wanted, such as workdirs/sweeps/{folder.stem}"
        else:
            said = f"there is no {SWEEP}{hint(str(folder.with_name(near))) if near else ''}"
        raise ValueError(f"{folder} holds no sweep: {said}")
    values = _read(path)
    trials = [_made(PlannedTrial, each, path) for each in values.get("trials", [])]
    return _made(SweepRecord, {**values, "trials": trials}, path)


def write_sweep(folder: Path, record: SweepRecord) -> None:
    """Writes `sweep.json`, whole or not at all."""
    _write(folder / SWEEP, dataclasses.asdict(record))


def read_trial(folder: Path) -> TrialRecord:
    """Returns what the `trial.json` of a trial's folder says.

    Raises:
      ValueError: there is none, or it is of another version.
    """
    path = folder / TRIAL
    if not path.is_file():
        raise ValueError(f"{folder} holds no trial: there is no {TRIAL}")
    return _made(TrialRecord, _read(path), path)


def write_trial(folder: Path, record: TrialRecord) -> None:
    """Writes `trial.json`, whole or not at all."""
    _write(folder / TRIAL, dataclasses.asdict(record))


def read_trials(folder: Path) -> list[TrialRecord | PlannedTrial]:
    """Returns what became of each trial of the plan, in its order.

    One that was never begun and has no folder is there as it was planned: none is left out. Labels
    are those of the plan, which may have renamed them since a trial began; so is what is stale.
    """
    found: list[TrialRecord | PlannedTrial] = []
    for planned in read_sweep(folder).trials:
        inside = trial_folder(folder, planned.id)
        begun = (inside / TRIAL).is_file()
        found.append(_as_planned(read_trial(inside), planned) if begun else planned)
    return found


def _as_planned(record: TrialRecord, planned: PlannedTrial) -> TrialRecord:
    stale = record.stale_files if planned.stale_files is None else planned.stale_files
    return dataclasses.replace(record, labels=dict(planned.labels), stale_files=list(stale))


def all_trials(folder: Path) -> list[TrialRecord]:
    """Returns all trials that lie in the folder, of earlier plans and older code, too."""
    files = sorted((folder / "trials").glob(f"*/{TRIAL}"))
    return [read_trial(file.parent) for file in files]


def beside_the_plan(folder: Path) -> list[TrialRecord]:
    """Returns the trials in a sweep's folder that its newest plan has not."""
    planned = {trial.id for trial in read_sweep(folder).trials}
    return [each for each in all_trials(folder) if each.id not in planned]


def _made(kind: type[Any], values: Mapping[str, Any], path: Path) -> Any:
    try:
        return kind(**values)
    except TypeError as error:  # A name too many, or one that is missing.
        raise ValueError(
            f"{path} was written by another version of Mirasol ({str(error).partition(') ')[2]}): "
            "read it with that one, or move the folder away and run the sweep anew"
        ) from None


def _read(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(
            f"{path} is no JSON ({error}): move {path.parent} away, and the same command makes it "
            "anew"
        ) from None
    return found


def _write(path: Path, values: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with draft.open("w", encoding="utf-8") as file:
            file.write(json.dumps(values, indent=2) + "\n")
            file.flush()
            os.fsync(file.fileno())  # Or a crash could leave the name without the text.
        draft.replace(path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            draft.unlink()
