"""Runs a sweep: many trainings of one question, of which the same command finds what is left.

python tools/sweep.py --gin_file=ablations/combiner.gin --dry_run
python tools/sweep.py --gin_file=ablations/combiner.gin --jobs=2
python tools/sweep.py --gin_file=ablations/combiner.gin --status

The gin file names a base run, what is varied, seeds, metrics and the hypothesis; --gin.NAME=VALUE
changes it (--gin.Sweep.seeds='[0]'). Each trial has a folder of its own under --folder. Run again:
what is done is skipped, what failed is tried again, what was cut off goes on, what is new is added.
Ctrl-C has the trials save and stop. docs/sweeps.md says more.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import sys
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path

from mirasol.findings import ExperimentError
from mirasol.spelling import some
from mirasol.sweeps import locks, options, records
from mirasol.sweeps.ending import is_cut_off
from mirasol.sweeps.screen import row, screen

if typing.TYPE_CHECKING:
    from mirasol.sweeps.submission import Chosen

_FAILED_TRIALS, _WRONG, _STOPPED = 1, 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Does what the arguments ask; returns the exit code: 1 where a trial failed."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    try:
        given = options.parsed(__doc__ or "", arguments)
        if given.status:
            return _status(given.folder)
        return _Command(given, arguments).run()
    except ExperimentError as error:
        for finding in error.findings:
            print(f"sweep: {' '.join(str(finding).split())}", file=sys.stderr)
    except (ValueError, OSError) as error:
        print(f"sweep: {' '.join(str(error).split())}", file=sys.stderr)
    return _WRONG


class _Command:
    """A command that needs the plan, and with it torch and gin."""

    def __init__(self, given: argparse.Namespace, arguments: Sequence[str]):
        from mirasol.sweeps import planning, submission

        self.given, self.arguments = given, arguments
        self.sweep = planning.read(given.gin_file, given.gin)
        self.folder: Path = given.folder
        trials = planning.plan(self.sweep, given.gin_file, given.gin)
        self.found = submission.chosen(self.folder, trials, given.reuse, self.sweep.metrics)

    def run(self) -> int:
        """Prints, writes or runs."""
        from mirasol.sweeps.dry_run import beside, lines

        given, others = self.given, beside(self.folder, self.found)
        if given.dry_run:
            print("\n".join([*lines(self.sweep, self.found), *others]))
            return 0
        for line in others:  # Before hours are spent on what may be there but for an edit.
            print(line, file=sys.stderr)
        if given.print_commands or given.slurm_script or given.xpk_manifest:
            return self._elsewhere()
        return self._train()

    def _settled(self) -> list[Chosen]:
        from mirasol.sweeps import submission

        return submission.settled(self.found, self.given.stale)

    def _elsewhere(self) -> int:
        from mirasol.sweeps import elsewhere

        given, name = self.given, self.folder.resolve().name
        left = [each for each in self._settled() if _is_left(self.folder, each)]
        _require_current(left)
        if not left:
            print("nothing is left to train")
            return 0
        named = [
            (each.planned, elsewhere.arguments(each.planned, self.folder, given.runtime, each.id))
            for each in left
        ]
        if given.print_commands:
            print(elsewhere.commands(named))
        if given.slurm_script:
            self.folder.mkdir(parents=True, exist_ok=True)  # Or Slurm has nowhere to write.
            script = elsewhere.slurm_script(name, self.folder, named, given.jobs or 1)
            given.slurm_script.write_text(script, encoding="utf-8")
            print(f"{given.slurm_script}: sbatch takes it; written and not tried on a cluster")
        if given.xpk_manifest:
            manifest = elsewhere.kubernetes(name, named, given.image or "IMAGE")
            given.xpk_manifest.write_text(manifest, encoding="utf-8")
            print(f"{given.xpk_manifest}: kubectl apply -f takes it; not tried on a cluster")
        return 0

    def _train(self) -> int:
        from mirasol.sweeps import submission
        from mirasol.sweeps.executors import LocalExecutor, SlurmExecutor
        from mirasol.sweeps.scheduler import Scheduler

        given, folder, sweep = self.given, self.folder, self.sweep
        found = self._settled()
        jobs, at_once = folder / "jobs", given.jobs or 1
        # First, since it refuses what it cannot queue, before anything is written.
        queue = (
            SlurmExecutor(jobs, at_once, sweep.grace_s, given.slurm)
            if given.executor == "slurm"
            else None
        )
        record = submission.submit(folder, sweep, given.gin_file, found, self.arguments)
        attempts = [submission.attempt(folder, each.id, sweep, given.runtime) for each in found]
        code = folder / records.FROZEN / record.code
        if queue:
            # As they stand now: another call may have ended some since they were looked for.
            now = [
                dataclasses.replace(each, record=records.read_trial(attempt.folder))
                for attempt, each in zip(attempts, found, strict=True)
            ]
            left = [
                attempt
                for attempt, each in zip(attempts, now, strict=True)
                if _is_left(folder, each)
            ]
            queued = queue.submit_all(left, code) if left else ["nothing is left"]
            print(f"queued: {', '.join(queued)}")
            return 0
        slots = _slots(given.devices, at_once)
        with screen(sweep.metrics[0]) as shown:
            whole = Scheduler(
                attempts=attempts,
                executor=LocalExecutor(jobs, code),
                at_once=len(slots),
                retries=given.retries,
                screen=shown,
                slots=slots,
            ).run()
        if not whole:
            print("sweep: stopped; the same command goes on from what is saved", file=sys.stderr)
            return _STOPPED
        return _status(folder)


def _is_left(folder: Path, trial: Chosen) -> bool:
    """Returns whether a trial has not ended, and nobody works on it that this machine can see."""
    if trial.record and trial.record.state in ("done", "stopped"):
        return False
    return not locks.is_held(records.trial_folder(folder, trial.id))


def _require_current(left: Sequence[Chosen]) -> None:
    """Raises ValueError for trials of other code, which commands for elsewhere cannot go on with.

    These carry the gin files and the code of now, and the workdir of then.
    """
    from mirasol.sweeps.plan import told

    old = [each for each in left if each.stale_files]
    if old:
        named = some([f"{each.id} {told(each.planned.variant)}" for each in old])
        raise ValueError(
            f"{named} began with other code, and a command for elsewhere would go on with that of "
            "now: --stale=retrain gives commands that train them anew beside the old ones; or "
            "first end them here with their own code, by the command with --stale=keep alone"
        )


def _status(folder: Path) -> int:
    """Prints how the trials stand, from the files alone; returns 1 where one failed."""
    sweep = records.read_sweep(folder)
    states, cut_off = [], 0
    for trial in records.read_trials(folder):
        inside = records.trial_folder(folder, trial.id)
        record = trial if isinstance(trial, records.TrialRecord) else None
        states.append(record.state if record else "pending")
        if record is None:
            print(f"{trial.id}  not begun")
            continue
        if is_cut_off(inside, record):
            record = dataclasses.replace(record, reason="cut off: give the command again")
            cut_off += 1
        print("  ".join(filter(None, row(record, inside, sweep.metrics[0]))))
        if record.stale_files:
            print(f"    stale: {', '.join(record.stale_files)} changed since")
        if record.error:
            print("\n".join(f"    {line}" for line in record.error.splitlines()[-3:]))
    told = (f"{states.count(state)} {state}" for state in typing.get_args(records.State))
    lost = f"; {cut_off} cut off" if cut_off else ""
    print(f"{len(states)} trials: {', '.join(told)}{lost}; in {folder}")
    if others := records.beside_the_plan(folder):
        print(f"and {len(others)} trials of other plans or code lie there, which do not count")
    return _FAILED_TRIALS if "failed" in states else 0


def _slots(devices: str | None, jobs: int) -> list[Mapping[str, str | None]]:
    """Returns the environment of each place at which a trial can run.

    Trials at one time share the cores; each has the device that its place names.
    """
    names = devices.split(",") if devices else [os.environ.get("CUDA_VISIBLE_DEVICES")] * jobs
    # Those that this process may use: a container or taskset may leave it fewer than there are.
    mine = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    cores = max(1, mine // len(names))
    threads = os.environ.get("OMP_NUM_THREADS", str(cores))
    return [{"CUDA_VISIBLE_DEVICES": name, "OMP_NUM_THREADS": threads} for name in names]


if __name__ == "__main__":
    sys.exit(main())
