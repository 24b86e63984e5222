"""A run that is killed, or stopped by a signal, again and again, by test_mortal.py.

    python -m tests.runs.mortal_run FOLDER KILLS STOPS STEPS SEED

FOLDER gets `unbroken` and `mortal`, two workdirs of one experiment, and `lives.jsonl`, a line about
each life of the second one that did not come to its end. Of the first KILLS lives every second ends
in a save, the others at any moment; each of the next STOPS gets a SIGTERM in one of the phases in
turn.

Each life is a fork that runs the command `train`, so that the imports are paid for once. The script
itself never touches a tensor: threads do not survive a fork.
"""

from __future__ import annotations

import dataclasses
import importlib
import json
import os
import random
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

# The command's own imports, so that no life has to make them; dynamo comes with the meta device.
import tensorboardX  # noqa: F401
import torch._dynamo
import torch._refs  # noqa: F401
import tqdm  # noqa: F401

from mirasol import config, trial  # noqa: F401
from mirasol.__main__ import main as command
from mirasol.checkpoint.manager import CheckpointManager
from mirasol.commands import dispatch  # noqa: F401
from mirasol.evaluation import table  # noqa: F401
from mirasol.runtime import cpu, select  # noqa: F401
from mirasol.training.writers import METRICS
from tests.runs.made_up import RUN, make_up

# Where a signal comes: phase -> functions, one of which is called in that phase.
PHASES = {
    "loading": [
        ("mirasol.config", "check"),
        ("mirasol.experiment", "Experiment.build_model"),
        ("tests.runs.made_up", "MadeUpTraining.__init__"),
    ],
    "compiling": [
        ("mirasol.training.loop", "train_step"),
        ("mirasol.training.step", "clip_gradients"),
    ],
    "training": [
        ("tests.runs.made_up", "made_up_batch"),
        ("mirasol.training.step", "clip_gradients"),
        ("mirasol.training.writers", "MetricsWriter.write"),
    ],
    "evaluating": [
        ("mirasol.session", "Session.generate"),
        ("tests.runs.made_up", "MadeUpService.score"),
    ],
    "saving": [
        ("mirasol.checkpoint.host_copy", "HostCopy.take"),
        ("mirasol.checkpoint.writer", "TensorStoreWriter.write_data"),
        ("mirasol.checkpoint.draft", "Draft.publish"),
    ],
}
# Of a life's calls of such a function, that in which the signal comes: the first step compiles.
EARLIEST_CALL = {"training": 3}


@dataclasses.dataclass
class Runner:
    """Starts lives of the two runs below `root`."""

    root: Path
    steps: int

    def live(self, name: str, prepare: Callable[[], None] = lambda: None) -> int:
        """Forks a life of the workdir `name`; returns its process id."""
        pid = os.fork()
        if pid:
            return pid
        try:
            output = os.open(self.root / f"{name}.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(output, 1)
            os.dup2(output, 2)
            make_up()
            prepare()
            code = command(
                [
                    *("train", f"--gin_file={self.root / 'run.gin'}", "--runtime=cpu"),
                    *(f"--workdir={self.root / name}", f"--gin.TRAIN_STEPS={self.steps}"),
                ]
            )
            sys.stderr.flush()
            os._exit(code)
        except BaseException:
            traceback.print_exc()
        os._exit(99)

    def live_out(self, name: str) -> None:
        """Lets a life run to its end."""
        code = os.waitstatus_to_exitcode(os.waitpid(self.live(name), 0)[1])
        assert code == 0, (self.root / f"{name}.log").read_text()

    def complete(self) -> list[int]:
        """Returns the steps of the mortal run's complete checkpoints."""
        return CheckpointManager(self.root / "mortal" / "checkpoints").steps()

    def drafts(self) -> set[str]:
        """Returns the folders of saves, not of removals, that are not complete."""
        folder = self.root / "mortal" / "checkpoints"
        return {path.name for path in folder.glob("*.incomplete-*") if _is_draft(path)}

    def lines(self) -> int:
        """Returns how many lines the log has."""
        path = self.root / "mortal" / METRICS
        return path.read_bytes().count(b"\n") if path.exists() else 0

    def saved(self) -> list[int]:
        """Returns the steps that the last life reported as saved."""
        return [int(line[-8:]) for line in self.told().splitlines() if "Saved /" in line]

    def told(self) -> str:
        """Returns what the last life wrote on its terminal."""
        return (self.root / "mortal.log").read_text(errors="replace")


def _is_draft(path: Path) -> bool:
    return (
        not path.with_name(path.name.partition(".")[0]).exists()
        and not (path / "manifest.json").exists()
    )


def kill_once(runner: Runner, in_save: bool, chance: random.Random) -> dict:
    """Kills one life, in a save or at any moment of it."""
    old, lines = runner.drafts(), runner.lines()
    pid = runner.live("mortal")
    wanted = chance.randrange(5)  # New lines of the log; 0: while it starts.
    began_s = time.monotonic()
    while os.waitpid(pid, os.WNOHANG) == (0, 0):
        if in_save and runner.drafts() - old:
            break
        if not in_save and runner.lines() >= lines + wanted:
            break
        assert time.monotonic() - began_s < 120, runner.told()
        time.sleep(0.0005)
    else:
        return {"ended": True}
    time.sleep(chance.uniform(0, 0.03 if in_save else 0.3))
    before = runner.complete()
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    after = runner.complete()
    return {
        "in_save": bool(runner.drafts() - old),
        "told": runner.saved(),
        "before": before,
        "after": after,
        "began_at": began_at(runner),
    }


def began_at(runner: Runner) -> int | None:
    """Returns the step that a life says it goes on from."""
    _, found, rest = runner.told().partition("Going on from step ")
    return int(rest.partition(":")[0]) if found else None


def stop_once(runner: Runner, phase: str, chance: random.Random) -> dict:
    """Stops one life with a SIGTERM that comes in a phase."""
    note = runner.root / "note.json"
    note.unlink(missing_ok=True)
    module, name = chance.choice(PHASES[phase])
    call = EARLIEST_CALL.get(phase, 1) + (chance.randrange(3) if phase == "training" else 0)
    pid = runner.live("mortal", lambda: signal_in(module, name, call, note))
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    ended_s = time.monotonic()
    noted = json.loads(note.read_text()) if note.exists() else None
    if code == 0:
        return {"ended": True}
    assert noted, runner.told()
    return {
        "phase": phase,
        "place": f"{module}.{name}",
        "code": code,
        "seconds": ended_s - noted["sent_s"],
        "steps_done": noted["steps_done"],
        "began_at": began_at(runner),
        "told": runner.saved(),
        "after": runner.complete(),
        "said": runner.told().rstrip().splitlines()[-1],
    }


def signal_in(module: str, name: str, call: int, note: Path) -> None:
    """Has this process send itself a SIGTERM in the call number `call` of a function."""
    counts = {"steps": 0, "calls": 0}
    noted: dict[str, float] = {}

    def wrap(owner: str, path: str, around: Callable) -> None:
        place = importlib.import_module(owner)
        *outer, last = path.split(".")
        for part in outer:
            place = getattr(place, part)
        inner = getattr(place, last)
        setattr(place, last, lambda *a, **k: around(inner, *a, **k))

    def step(inner: Callable, *arguments, **options):
        values = inner(*arguments, **options)
        counts["steps"] += 1
        write()
        return values

    def send(inner: Callable, *arguments, **options):
        counts["calls"] += 1
        if counts["calls"] == call:
            noted["sent_s"] = time.monotonic()
            write()
            os.kill(os.getpid(), signal.SIGTERM)
        return inner(*arguments, **options)

    def write() -> None:
        if noted:
            note.write_text(json.dumps({**noted, "steps_done": counts["steps"]}))

    wrap("mirasol.training.loop", "train_step", step)
    wrap(module, name, send)


def main(root: Path, kills: int, stops: int, steps: int, seed: int) -> None:
    runner, chance = Runner(root, steps), random.Random(seed)
    (root / "run.gin").write_text(RUN)
    runner.live_out("unbroken")
    with (root / "lives.jsonl").open("w", buffering=1) as lives:
        for number in range(kills):
            life = kill_once(runner, in_save=number % 2 == 0, chance=chance)
            lives.write(json.dumps(life) + "\n")
        for number in range(stops):
            life = stop_once(runner, list(PHASES)[number % len(PHASES)], chance)
            lives.write(json.dumps(life) + "\n")
    runner.live_out("mortal")


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
