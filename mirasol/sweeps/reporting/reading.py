"""A study from a sweep's folder, or from workdirs with names."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mirasol.spelling import closest, hint, some
from mirasol.sweeps import records, scores
from mirasol.sweeps.durations import duration
from mirasol.sweeps.ending import is_cut_off
from mirasol.sweeps.plan import told
from mirasol.sweeps.reporting import workdir_files
from mirasol.sweeps.reporting.study import (
    BESIDE,
    CUT_OFF,
    DONE,
    MISSING,
    Study,
    Trial,
    Variant,
    with_baseline,
)
from mirasol.training.writers import METRICS

METRIC = "accuracy"


def of_sweep(folder: Path, metrics: Sequence[str] = (), baseline: str | None = None) -> Study:
    """Reads a sweep: every trial of its plan, whatever became of it.

    Args:
      folder: of the sweep.
      metrics: "TASK/METRIC" each; by default those of the sweep.
      baseline: name of the variant to compare with; by default that of the sweep.

    Raises:
      ValueError: the folder holds no sweep, the baseline is no variant of it, or no trial has
        such a metric.
    """
    sweep = records.read_sweep(folder)
    variants: dict[str, list[Trial]] = {}
    trials = records.read_trials(folder)
    labels = {variant_name(trial.labels): tuple(trial.labels.values()) for trial in trials}
    for trial in trials:
        variants.setdefault(variant_name(trial.labels), []).append(_trial(folder, trial))
    _require_scored(metrics, variants)
    baseline = baseline or (variant_name(sweep.baseline) if sweep.baseline else None)
    return Study(
        name=sweep.name,
        hypothesis=sweep.hypothesis,
        metrics=tuple(metrics or sweep.metrics),
        variants=with_baseline(
            [_variant(name, each, labels[name]) for name, each in variants.items()], baseline
        ),
        facts=_facts(sweep, _begun(trials)) | _beside(folder),
    )


def of_workdirs(
    runs: Sequence[tuple[str, Path]], metrics: Sequence[str] = (), baseline: str | None = None
) -> Study:
    """Reads workdirs of single runs; those with the same name are seeds of one variant.

    Args:
      runs: name and workdir each; the first name is the baseline by default.
      metrics: "TASK/METRIC" each; by default the accuracy of every task that the first run with
        scores was evaluated on.
      baseline: name to compare with.

    Raises:
      ValueError: there are no runs, the baseline is none of them, none has been evaluated, none has
        such a metric, or two runs of one name have the same seed.
    """
    for name, workdir in runs:
        _require_workdir(name, workdir)
    variants: dict[str, list[Trial]] = {}
    chosen = tuple(metrics) or _default_metrics([workdir for _, workdir in runs])
    for name, workdir in runs:
        variants.setdefault(name, []).append(_run(workdir, chosen[0]))
    _require_scored(metrics, variants)
    return Study(
        name=", ".join(variants),
        hypothesis="",
        metrics=chosen,
        variants=with_baseline([_variant(*item) for item in variants.items()], baseline),
        facts={"Workdirs": ", ".join(str(workdir) for _, workdir in runs)},
    )


def _require_workdir(name: str, workdir: Path) -> None:
    """Raises ValueError where there is none, or another folder."""
    if not workdir.is_dir():
        others = [path.parent.name for path in workdir.parent.glob(f"*/{METRICS}")]
        near = closest(workdir.name, others)
        meant = hint(str(workdir.with_name(near))) if near else ""
        raise ValueError(f"the workdir {workdir} of --run={name} is not there{meant}")
    if (workdir / records.SWEEP).is_file():
        raise ValueError(
            f"{workdir} of --run={name} is no workdir but a sweep: give it without --run, or a "
            "workdir of its trials"
        )


def _require_scored(metrics: Sequence[str], variants: Mapping[str, Sequence[Trial]]) -> None:
    """Raises ValueError for a metric that no run has at its end, though some have others."""
    trials = [trial for each in variants.values() for trial in each if trial.steps is not None]
    found = {name for each in trials for name in scores.metrics_at(each.workdir, each.steps or 0)}
    names = sorted(found)
    for metric in metrics:
        if names and metric not in names:
            whole = [name for name in names if name.partition("/")[2] == metric]
            shorter = {name.partition("/")[2]: name for name in names}
            near = closest(metric, names) or shorter.get(closest(metric, shorter), "")
            raise ValueError(
                f"--metric={metric}: none of the runs has it at its last step"
                f"{hint(whole[0] if whole else near)}; there are {some(names)}"
            )


def variant_name(labels: Any) -> str:
    """Returns a variant's name: its label; of several axes, `memory=8 stamps=yes`."""
    return told(labels) if len(labels) > 1 else next(iter(labels.values()), "all")


def _variant(name: str, trials: Sequence[Trial], labels: tuple[str, ...] = ()) -> Variant:
    """Puts the trials in the order of their seeds.

    Raises:
      ValueError: two of them have the same seed.
    """
    seeds = [trial.seed for trial in trials if trial.seed is not None]
    twice = {seed for seed in seeds if seeds.count(seed) > 1}
    if twice:
        raise ValueError(
            f"the variant {name!r} has several trials with seed {min(twice)}; they would count "
            "as one: name them differently, or leave all but one out"
        )
    ordered = sorted(trials, key=lambda trial: (trial.seed is None, trial.seed or 0))
    return Variant(name, tuple(ordered), labels)


def _trial(folder: Path, trial: records.TrialRecord | records.PlannedTrial) -> Trial:
    inside = records.trial_folder(folder, trial.id)
    workdir = inside / "workdir"
    if isinstance(trial, records.PlannedTrial):
        return Trial(trial.seed, workdir, "pending", "not begun")
    if is_cut_off(inside, trial):
        return Trial(trial.seed, workdir, CUT_OFF, "the sweep's command goes on with it")
    timed = trial.state == DONE and not trial.seconds_incomplete
    seconds = trial.seconds if timed else None
    stale = bool(trial.stale_files)
    return Trial(trial.seed, workdir, trial.state, _reason(trial), seconds, stale, trial.steps)


def _reason(trial: records.TrialRecord) -> str:
    """Returns why a trial is not done; of one that is, nothing."""
    if trial.state == DONE:
        return ""
    if not trial.attempts and not trial.reason:
        return "not begun"
    after = "attempt {}" if trial.state == "running" else "after {} attempts"
    attempts = after.format(trial.attempts) if trial.attempts > 1 else ""
    last = trial.error.strip().splitlines()[-1:]
    failed = trial.state == "failed" and trial.exit_code
    code = f"exit code {trial.exit_code}" if failed else ""
    return "; ".join(filter(None, [trial.reason, code, *last, attempts])) or "no reason recorded"


def _run(workdir: Path, metric: str) -> Trial:
    """Returns a run that nobody scheduled: done, if its last step was evaluated."""
    seed, last = workdir_files.seed(workdir), workdir_files.final_step(workdir)
    if last is None:
        return Trial(seed, workdir, MISSING, "no record of a start (provenance.json)")
    if workdir_files.score(workdir, metric, last) is None:
        return Trial(seed, workdir, MISSING, f"no {metric} at its last step, {last}", steps=last)
    return Trial(seed, workdir, DONE, steps=last)


def _default_metrics(folders: Sequence[Path]) -> tuple[str, ...]:
    for workdir in folders:
        steps = workdir_files.final_step(workdir)
        found = {} if steps is None else scores.metrics_at(workdir, steps)
        chosen = tuple(name for name in found if name.partition("/")[2] == METRIC)
        if chosen:
            return chosen
    raise ValueError(
        "none of the runs has been evaluated for its accuracy at its last step; name what is to "
        "be compared: --metric=TASK/METRIC"
    )


def _begun(
    trials: Sequence[records.TrialRecord | records.PlannedTrial],
) -> list[records.TrialRecord]:
    known = [each for each in trials if isinstance(each, records.TrialRecord)]
    return [each for each in known if each.attempts]


def _facts(sweep: records.SweepRecord, begun: Sequence[records.TrialRecord]) -> dict[str, str]:
    stale = sum(bool(trial.stale_files) for trial in begun)
    facts = {
        "Plan": f"{sweep.plan}; seeds {', '.join(map(str, sweep.seeds))}",
        "Base": ", ".join([*sweep.base_files, *sweep.bindings]),
        "Command": sweep.command,
        "Commit": ", ".join(sorted({trial.commit or "none" for trial in begun})),
        "Machine": "; ".join(sorted({_machine(trial) for trial in begun})),
        "Wall time": _wall_time([trial for trial in begun if not trial.taken_from]),
        "Of other sweeps": _taken(begun),
        "Older code": f"{stale} trials, as of the last submit" if stale else "",
        "Several codes": _codes(begun),
    }
    return {title: text for title, text in facts.items() if text}


def _beside(folder: Path) -> dict[str, str]:
    """Tells of trials that lie in the folder and are of no account."""
    others = records.beside_the_plan(folder)
    return {BESIDE: f"{len(others)} trials of other plans or code"} if others else {}


def _machine(trial: records.TrialRecord) -> str:
    return ": ".join(filter(None, [trial.host, trial.device]))


def _wall_time(begun: Sequence[records.TrialRecord]) -> str:
    """Returns the time from the first start to the last end of trials that were trained here.

    It is "" while one is at work, or where none was trained.
    """
    read = datetime.datetime.fromisoformat
    times = [
        (read(each.started), read(each.ended)) for each in begun if each.started and each.ended
    ]
    if not times or len(times) < len(begun):
        return ""
    first, last = min(start for start, _ in times), max(end for _, end in times)
    whole, added = (last - first).total_seconds(), sum(each.seconds for each in begun)
    least = "at least " if any(each.seconds_incomplete for each in begun) else ""
    return (
        f"{duration(whole)} from the first start ({first:%Y-%m-%d %H:%M %Z}) to the last end, "
        f"pauses included; {len(begun)} trials of {least}{duration(added)} in sum"
    )


def _taken(begun: Sequence[records.TrialRecord]) -> str:
    """Returns how many trials other sweeps trained, and which."""
    whose = Counter(trial.taken_from for trial in begun if trial.taken_from)
    return ", ".join(f"{count} trials of {name}" for name, count in sorted(whose.items()))


def _codes(begun: Sequence[records.TrialRecord]) -> str:
    """Warns where not all trials ran with the same code."""
    codes = {trial.code for trial in begun}
    return f"trials ran with {len(codes)} states of the code" if len(codes) > 1 else ""
