"""The commands that tell of experiments, and write nothing."""

from __future__ import annotations

from pathlib import Path

from mirasol import workdirs
from mirasol.commands.opening import check_spec, load, stated
from mirasol.commands.printing import print_as
from mirasol.commands.request import Request, number
from mirasol.training.writers import SPEED


def describe(request: Request) -> None:
    """Prints what an experiment is and costs."""
    if request.gin_file and request.workdir:
        raise ValueError("describe takes --gin_file or --workdir, not both")
    if not request.gin_file and not request.workdir:
        raise ValueError("describe needs --gin_file=runs/av_shapes_tiny.gin, say, or --workdir")
    from mirasol.description import machines

    devices, machine = machines.devices(request.devices) if request.devices else (None, None)
    rate = number("steps_per_second", request.steps_per_second, float)
    if request.workdir:
        spec = workdirs.read(Path(request.workdir), (), request.bindings)
    else:
        spec = load(request.gin_file, request.bindings)
    from mirasol.description import remaining, report, text

    done = remaining.progress(Path(request.workdir) / SPEED) if request.workdir else None
    question = report.Question(devices=devices, machine=machine, steps_per_second=rate, done=done)
    print_as(report.describe(spec, question), text.render, request.format)


def diff(request: Request) -> int:
    """Prints what sets two experiments apart; returns 0 for the same, 1 for different ones."""
    if not request.operands or (len(request.operands) == 1 and not request.bindings):
        raise ValueError("diff needs two experiments, each a workdir or gin files joined by +")
    first, second = stated(request.operands[0]), stated(request.operands[-1], request.bindings)
    from mirasol.description import differences

    found = differences.differences(first, second)
    print_as(found, differences.render, request.format)
    return 0 if found["same"] else 1


def check(request: Request) -> None:
    """Tells everything that is wrong with an experiment, and writes nothing."""
    if not request.gin_file:
        raise ValueError("check needs a run: --gin_file=runs/av_shapes_tiny.gin, say")
    spec = check_spec(request)
    print(f"no mistake found in {', '.join(request.gin_file)}: {len(spec.meaning)} values")
