"""A scheduler of stand-in trials, in a process of its own that a test can kill.

python -m tests.sweeps.scheduling FOLDER AT_ONCE RETRIES plain|submitit
"""

from __future__ import annotations

import pickle
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from mirasol.sweeps.attempt import Attempt
from mirasol.sweeps.executors import LocalExecutor
from mirasol.sweeps.records import TrialRecord, trial_folder, write_trial
from mirasol.sweeps.scheduler import Scheduler
from mirasol.sweeps.screen import Lines
from mirasol.sweeps.watch import Rules

STAND_IN = Path(__file__).with_name("stand_in.py")
ROOT = Path(__file__).parents[2]
STEPS = 4


class PlainExecutor:
    """Starts watchers without submitit, which takes a second each.

    Args:
      folder: for their files.
      delay_s: before each begins.
    """

    def __init__(self, folder: Path, delay_s: float = 0.0):
        self.folder, self.delay_s = folder, delay_s
        folder.mkdir(exist_ok=True)

    def submit(self, attempt: Attempt):
        file = self.folder / f"{attempt.folder.name}.pickle"
        file.write_bytes(pickle.dumps(attempt))
        program = (
            "import pickle, sys, time; time.sleep(float(sys.argv[2])); "
            "pickle.load(open(sys.argv[1], 'rb'))()"
        )
        words = [sys.executable, "-c", program, str(file), str(self.delay_s)]
        return Started(subprocess.Popen(words, cwd=ROOT, start_new_session=True))


class Started:
    def __init__(self, process: subprocess.Popen):
        self.process = process

    def done(self) -> bool:
        return self.process.poll() is not None


def plant(folder: Path, behaviours: Sequence[str], pause_s: float = 0.05, **settings) -> None:
    """Writes trials and how each is attempted."""
    attempts = []
    for number, behaviour in enumerate(behaviours):
        inside = trial_folder(folder, f"trial{number:02}")
        write_trial(
            inside,
            TrialRecord(id=inside.name, labels={"axis": behaviour}, seed=number, steps=STEPS),
        )
        command = (sys.executable, str(STAND_IN), str(inside), str(STEPS), str(pause_s), behaviour)
        command = settings.pop("command", None) or command
        given = {
            "metrics": ("toy/accuracy",),
            "early_stop": None,
            "limit_s": None,
            "silence_s": 60.0,
            "poll_s": 0.05,
            "grace_s": 1.0,
        }
        rules = Rules(**{**given, **settings})
        attempts.append(Attempt(folder=inside, command=command, environment={}, rules=rules))
    (folder / "attempts.pickle").write_bytes(pickle.dumps(attempts))


def attempts(folder: Path) -> list[Attempt]:
    return pickle.loads((folder / "attempts.pickle").read_bytes())


def scheduler(folder: Path, at_once: int, retries: int, executor: str = "plain") -> Scheduler:
    jobs = folder / "jobs"
    return Scheduler(
        attempts=attempts(folder),
        executor=LocalExecutor(jobs, ROOT) if executor == "submitit" else PlainExecutor(jobs),
        at_once=at_once,
        retries=retries,
        screen=Lines("toy/accuracy"),
        poll_s=0.05,
    )


def start(
    folder: Path, at_once: int, retries: int, executor: str = "plain", **given
) -> subprocess.Popen:
    """Starts a scheduler and returns at once."""
    words = [str(folder), str(at_once), str(retries), executor]
    return subprocess.Popen(
        [sys.executable, "-m", "tests.sweeps.scheduling", *words],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        **given,
    )


if __name__ == "__main__":
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # Ignored where the tests run under nohup.
    given = (Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
    sys.exit(0 if scheduler(*given).run() else 130)
