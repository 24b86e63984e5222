"""Whether the loader's work hides behind the step's: steps that it feeds against steps without it.

    ready    step step step step           batches that lie in memory
    fed      step step step step           batches from the loader
    loader   ...m ...m ...m ...m           ahead, in a process of its own

The loader sleeps for a share of the step's time for each batch: as with decoding on cores of its
own, which a machine without spare ones cannot show. What is measured is what reaches the step all
the same: handing batches over, and waiting for them.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import time
from collections.abc import Iterator, Sequence
from typing import Any, cast

from torch.utils.data import IterableDataset

from benchmarks.clocks import in_turns, seconds, spread
from benchmarks.report import Benchmark, Row, table
from benchmarks.sizes import add_model_flags, stated
from benchmarks.steps import Steps
from mirasol.batch import Batch
from mirasol.data.batches import Batches, Delivery
from mirasol.data.loader import BatchStream
from mirasol.runtime.select import RUNTIMES, open_runtime

ASKED = 0.05


class Slow(IterableDataset):
    """The same batch without end, each after some time.

    Args:
      batch: on the host.
      delay_s: seconds that each takes.
    """

    def __init__(self, batch: Batch, delay_s: float):
        self.batch, self.delay_s = batch, delay_s

    def __iter__(self) -> Iterator[Delivery]:
        while True:
            time.sleep(self.delay_s)
            yield Delivery(self.batch, ())


def measure(options: argparse.Namespace) -> list[Row]:
    """Returns one row: the seconds of turns with and without the loader."""
    if not 0 < options.share < 1:
        raise ValueError(f"--share={options.share} must be above 0 and below 1")
    experiment = stated(options, BATCH_SIZE=options.batch_size).build()
    runtime = open_runtime(options.runtime, options.precision, experiment.sharding)
    steps = Steps(experiment, runtime)
    ready = itertools.repeat(steps.noise)
    steps.take(options.warm_up, ready)
    turns = [seconds(lambda: steps.take(options.steps, ready)) for _ in range(options.repeats)]
    delay_s = options.share * statistics.median(turns) / options.steps
    stream = BatchStream[Batch](cast(Batches, Slow(steps.noise, delay_s)), workers=1)
    try:
        times = in_turns(
            {
                "ready": lambda: steps.take(options.steps, ready),
                "fed": lambda: steps.take(options.steps, stream),
            },
            options.repeats,
            "overlap",
        )
    finally:
        stream.close()
    row: dict[str, Any] = {
        "device": runtime.describe(),
        "model": " ".join(options.gin_file or options.default_gin_files),
        "examples": options.batch_size,
        "steps": options.steps,
        "loader_s": delay_s,
    }
    return [row | {"seconds": times}]


def tell(rows: Sequence[Row]) -> str:
    """Returns both times of a step, and by how much it is slower."""
    (row,) = rows
    a_step = {
        name: [each / row["steps"] for each in found] for name, found in row["seconds"].items()
    }
    ready_s, fed_s = (statistics.median(a_step[name]) for name in ("ready", "fed"))
    lines = [(f"batches {name}", spread(found, 4)) for name, found in a_step.items()]
    return "\n".join(
        [
            table(("steps on", "s a step, median (least-greatest)"), lines),
            "",
            f"{row['model']}; {row['device']}; {row['examples']} clips a step.",
            f"- A loader that takes {row['loader_s'] / ready_s:.0%} of a step for each batch slows "
            f"the step by {fed_s / ready_s - 1:.1%} (asked: under {ASKED:.0%}).",
        ]
    )


def _add_flags(parser: argparse.ArgumentParser) -> None:
    add_model_flags(parser, "mirasol_tiny", frames=16)
    parser.add_argument("--runtime", default="auto", help=f"{', '.join(RUNTIMES)} (%(default)s)")
    parser.add_argument("--precision", default="float32", help="or bfloat16 (%(default)s)")
    parser.add_argument("--batch_size", type=int, default=8, help="clips (default: %(default)s)")
    parser.add_argument(
        "--share", type=float, default=0.8, help="of a step, that a batch takes (%(default)s)"
    )
    parser.add_argument("--steps", type=int, default=20, help="in a turn (default: %(default)s)")
    parser.add_argument("--warm_up", type=int, default=5, help="steps (default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=5, help="turns (default: %(default)s)")


OVERLAP = Benchmark(
    purpose="whether the loader's work hides behind the step's",
    add_flags=_add_flags,
    measure=measure,
    tell=tell,
)
