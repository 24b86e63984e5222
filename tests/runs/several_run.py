"""A command on made-up data, in one of several processes; started by torchrun, by test_several.py.

    torchrun --nproc_per_node=2 -m tests.runs.several_run [--signal=STEP] [--fail=STEP] COMMAND ...

Under --signal the last process sends itself a SIGTERM within a step, under --fail it fails there.
"""

from __future__ import annotations

import itertools
import os
import signal
import sys

from mirasol.__main__ import main
from mirasol.launched import launch
from tests.runs.made_up import MadeUpTraining, make_up


def at_step(step: int, act) -> None:
    """Has the last process act while it gets the batch of a step."""
    here = launch()
    if here.rank != here.world - 1:
        return
    counted, inner = itertools.count(1), MadeUpTraining.__next__

    def get(stream):
        if next(counted) == step:
            act()
        return inner(stream)

    MadeUpTraining.__next__ = get


def fail() -> None:
    raise RuntimeError("it is made up")


def run(arguments: list[str]) -> int:
    make_up()
    while arguments[0].startswith("--"):
        name, _, step = arguments.pop(0).removeprefix("--").partition("=")
        acts = {"signal": lambda: os.kill(os.getpid(), signal.SIGTERM), "fail": fail}
        at_step(int(step), acts[name])
    return main(arguments)


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
