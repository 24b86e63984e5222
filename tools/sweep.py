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
import ast
import dataclasses
import os
import sys
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mirasol.findings import ExperimentError
from mirasol.spelling import some
from mirasol.sweeps import locks, records
from mirasol.sweeps.ending import is_cut_off
from mirasol.sweeps.screen import row, screen
from mirasol.tool_options import ToolParser

if typing.TYPE_CHECKING:
    from mirasol.sweeps.submission import Chosen

_FAILED_TRIALS, _WRONG, _STOPPED = 1, 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Does what the arguments ask; returns the exit code: 1 where a trial failed."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    try:
        given = _parsed(arguments)
        if given.status:
            return _status(given)
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
        given = self.given
        if given.dry_run:
            from mirasol.sweeps.dry_run import lines

            print("\n".join(lines(self.sweep, self.found)))
            return 0
        if given.print_commands or given.slurm_script or given.xpk_manifest:
            return self._elsewhere()
        return self._train()

    def _settled(self) -> list[Chosen]:
        from mirasol.sweeps import submission

        return submission.settled(self.found, self.given.stale)

    def _elsewhere(self) -> int:
        from mirasol.sweeps import elsewhere

        given, name = self.given, self.folder.name
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
            script = elsewhere.slurm_script(name, self.folder, named, given.jobs)
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
        record = submission.submit(folder, sweep, folder.name, found, self.arguments)
        slots = _slots(given.devices, given.jobs)
        attempts = [submission.attempt(folder, each.id, sweep, given.runtime) for each in found]
        code = folder / records.FROZEN / record.code
        if given.executor == "slurm":
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
            queue = SlurmExecutor(folder / "jobs", code, given.jobs, _parameters(given.slurm))
            print(f"queued: {', '.join(queue.submit_all(left)) if left else 'nothing is left'}")
            return 0
        with screen(sweep.metrics[0]) as shown:
            whole = Scheduler(
                attempts=attempts,
                executor=LocalExecutor(folder / "jobs", code),
                at_once=len(slots),
                retries=given.retries,
                screen=shown,
                slots=slots,
            ).run()
        if not whole:
            print("sweep: stopped; the same command goes on from what is saved", file=sys.stderr)
            return _STOPPED
        return _status(given)


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


def _status(given: argparse.Namespace) -> int:
    """Prints how the trials stand, from the files alone; returns 1 where one failed."""
    sweep = records.read_sweep(given.folder)
    states, cut_off = [], 0
    for trial in records.read_trials(given.folder):
        folder = records.trial_folder(given.folder, trial.id)
        record = trial if isinstance(trial, records.TrialRecord) else None
        states.append(record.state if record else "pending")
        if record is None:
            print(f"{trial.id}  not begun")
            continue
        if is_cut_off(folder, record):
            record = dataclasses.replace(record, reason="cut off: give the command again")
            cut_off += 1
        print("  ".join(filter(None, row(record, folder, sweep.metrics[0]))))
        if record.stale_files:
            print(f"    stale: {', '.join(record.stale_files)} changed since")
        if record.error:
            print("\n".join(f"    {line}" for line in record.error.splitlines()[-3:]))
    told = (f"{states.count(state)} {state}" for state in typing.get_args(records.State))
    lost = f"; {cut_off} cut off" if cut_off else ""
    print(f"{len(states)} trials: {', '.join(told)}{lost}; in {given.folder}")
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


def _parameters(given: Sequence[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for text in given:
        name, _, value = text.partition("=")
        try:
            found[name] = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            found[name] = value
    return found


def _parsed(arguments: Sequence[str]) -> argparse.Namespace:
    parser = ToolParser(description=__doc__)
    add = parser.add_argument
    add("--gin_file", action="append", default=[], help="states the sweep; further ones change it")
    add("--folder", type=Path, help="of the sweep; default: workdirs/sweeps/<name of the files>")
    add("--dry_run", action="store_true", help="check every trial, print the plan and its cost")
    add("--status", action="store_true", help="only tell how the trials stand")
    add("--jobs", type=int, help="trials at a time (default 1)")
    add("--devices", help="of CUDA, one trial on each at a time: 0,1")
    add("--runtime", default="auto", help="as train takes it")
    add("--retries", type=int, default=1, help="of a trial that fails, in this call (default 1)")
    add("--stale", choices=("ask", "keep", "retrain"), default="ask", help="trials of other code")
    add(
        "--reuse",
        type=Path,
        action="append",
        default=[],
        metavar="FOLDER",
        help="of another sweep: trials of this one that are done there are copied from there",
    )
    add("--executor", choices=("local", "slurm"), default="local", help="slurm was never run")
    add("--slurm", action="append", default=[], metavar="NAME=VALUE", help="partition=gpu, say")
    add("--print_commands", action="store_true", help="of each trial that is left, for elsewhere")
    add("--slurm_script", type=Path, metavar="FILE", help="write an array of the trials left")
    add("--xpk_manifest", type=Path, metavar="FILE", help="write JobSets of the trials left")
    add("--image", help="of the manifest's containers (default IMAGE, to be filled in)")
    gin = [each for each in arguments if each.startswith("--gin.")]
    given = parser.parse_args([each for each in arguments if each not in gin])
    given.gin = [each.removeprefix("--gin.").replace("=", " = ", 1) for each in gin]
    if not given.gin_file and not (given.status and given.folder):
        raise ValueError("a sweep needs --gin_file=ablations/combiner.gin, say")
    _require_sound(given)
    given.jobs = 1 if given.jobs is None else given.jobs
    name = "-".join(Path(file).stem for file in given.gin_file)
    given.folder = given.folder or Path("workdirs/sweeps") / name
    return given


def _require_sound(given: argparse.Namespace) -> None:
    """Raises ValueError for values that mean nothing, or not together."""
    for name, least in {"jobs": 1, "retries": 0}.items():
        value = getattr(given, name)
        if value is not None and value < least:
            raise ValueError(f"--{name}={value}; it must be {least} or more")
    if given.devices is not None:
        if not all(name.strip() for name in given.devices.split(",")):
            raise ValueError(f"--devices={given.devices} has an empty name; give some as in 0,1")
        if given.jobs is not None:
            raise ValueError(
                "--jobs beside --devices: one trial runs on each device; leave one out"
            )
    for text in given.slurm:
        if not all(text.partition("=")[::2]):
            raise ValueError(f"--slurm={text}; it must be NAME=VALUE, such as partition=gpu")
    _require_together(given)


def _require_together(given: argparse.Namespace) -> None:
    """Raises ValueError for a flag that means nothing beside another one, or without it."""
    names = ("print_commands", "slurm_script", "xpk_manifest")
    written = next((f"--{name}" for name in names if getattr(given, name)), None)
    if given.reuse and written:
        raise ValueError(
            f"--reuse beside {written}, which copies nothing: let the command train or queue the "
            "rest"
        )
    if given.executor == "slurm" and written:
        raise ValueError(f"--executor=slurm beside {written}, which queues nothing: drop one")
    if given.executor == "slurm" and given.devices is not None:
        raise ValueError(
            "--devices beside --executor=slurm: which device a trial has is up to the cluster; "
            "drop --devices (--slurm=gpus_per_node=1 asks for one)"
        )
    if given.slurm and given.executor != "slurm":
        raise ValueError(
            f"--slurm={given.slurm[0]} without --executor=slurm, which alone takes it: drop "
            "--slurm, or add that"
        )
    if given.image is not None and not given.xpk_manifest:
        raise ValueError(
            f"--image={given.image} without --xpk_manifest=FILE, which alone takes it: drop "
            "--image, or add that"
        )


if __name__ == "__main__":
    sys.exit(main())
