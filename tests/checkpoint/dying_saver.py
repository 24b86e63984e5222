"""Processes that are killed while they save; run as a script by test_kill.py.

    python dying_saver.py lines FOLDER COUNT
    python dying_saver.py times FOLDER SECONDS...

Every victim saves in a folder of its own below FOLDER, `000`, `001`, ..., which holds steps 1 and 2
already. With `lines`, COUNT victims die before lines of mirasol.checkpoint that are spread evenly
over one save; with `times`, each victim saves step after step until its time is over.

Victims are forked, so that the imports are paid for once. The script itself never touches a tensor:
threads do not survive a fork.
"""

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

from mirasol.checkpoint.manager import CheckpointManager

PACKAGE = str(Path("mirasol") / "checkpoint")


def state_of(step: int) -> dict:
    """The state that belongs to a step; every step has its own."""
    generator = torch.Generator().manual_seed(step)
    tensors = {f"w{i}": torch.randn(20_000, generator=generator) for i in range(10)}
    return {"model": tensors, "step": step}


def run_forked(action: Callable[[], None], patience_s: float | None = None) -> None:
    """Runs the action in a fork, and kills it when its time is over."""
    pid = os.fork()
    if pid == 0:
        action()
        os._exit(0)
    if patience_s is not None:
        time.sleep(patience_s)
        os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def save_steps(folder: Path, *steps: int) -> None:
    manager = CheckpointManager(folder)
    for step in steps:
        manager.save(step, state_of(step))


def save_forever(folder: Path) -> None:
    step = 3
    while True:
        save_steps(folder, step)
        step += 1


def save_and_die(folder: Path, at: int, counter: Path) -> None:
    """Saves step 3; dies before the line number `at`, or writes how many lines a save has."""
    seen = 0

    def trace(frame, event: str, argument: object):
        nonlocal seen
        if PACKAGE not in frame.f_code.co_filename:
            return None
        if event == "line":
            seen += 1
            if seen == at:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace

    sys.settrace(trace)
    save_steps(folder, 3)
    sys.settrace(None)
    counter.write_text(str(seen))


def main(mode: str, root: Path, numbers: list[float]) -> None:
    counter = root / "lines"
    if mode == "lines":
        run_forked(lambda: save_steps(root / "whole", 1, 2))
        run_forked(lambda: save_and_die(root / "whole", 0, counter))
        lines, count = int(counter.read_text()), int(numbers[0])
        numbers = [1 + lines * i // count for i in range(count)]
    for i, number in enumerate(numbers):
        folder = root / f"{i:03d}"
        run_forked(lambda folder=folder: save_steps(folder, 1, 2))
        if mode == "lines":
            run_forked(lambda folder=folder, at=number: save_and_die(folder, at, counter))
        else:
            run_forked(lambda folder=folder: save_forever(folder), patience_s=number)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), [float(number) for number in sys.argv[3:]])
