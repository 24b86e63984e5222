"""How much of a step the host takes before the device has it: tracing, and sending what to compute.

    host     trace | hash, look up, send |           free for the next batch
    device                               | compute

Step after step, each waited for, so that none is sent while the one before still computes. Tracing
is timed by the clock. What comes behind it is counted in the thread's own processor time: on a CPU
the thread then waits for the computation, to free its inputs. XLA's step on a CPU is a rehearsal:
the ratio to the eager step is told, and says nothing of a TPU.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import torch

from benchmarks.clocks import add_repeats_flag, seconds, spread
from benchmarks.report import Benchmark, Row, table
from benchmarks.sizes import add_model_flags, stated
from benchmarks.steps import Steps
from mirasol.batch import Batch
from mirasol.progress import progress_bar
from mirasol.runtime.select import open_runtime

ASKED = 0.2
WAYS = {"xla": True, "cpu": False}  # Runtime -> whether its steps are compiled.


class TimedSteps(Steps):
    """Steps that tell how long the host took.

    Attributes:
      host_s: of the last step, until the device had it.
    """

    host_s = 0.0
    _traced = 0.0, 0.0

    def begin(self) -> dict[str, torch.Tensor]:
        """See Steps."""
        started = time.perf_counter()
        values = super().begin()
        traced, busy = self._traced
        self.host_s = traced - started + time.thread_time() - busy
        return values

    def _function(self, batch: Batch) -> dict[str, torch.Tensor]:
        values = super()._function(batch)
        self._traced = time.perf_counter(), time.thread_time()
        return values


def measure(options: argparse.Namespace) -> list[Row]:
    """Returns a row for each runtime, of a process of its own."""
    context = multiprocessing.get_context("spawn")
    rows: list[Row] = []
    with progress_bar(total=len(WAYS), title="dispatch", unit="runtimes") as bar:
        for runtime in WAYS:
            with ProcessPoolExecutor(1, mp_context=context) as pool:
                rows.append(pool.submit(measure_runtime, options, runtime).result())
            bar.update()
    return rows


def measure_runtime(options: argparse.Namespace, name: str) -> dict[str, Any]:
    """Returns the seconds of each step, and of its part before the device has it."""
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    experiment = stated(options, BATCH_SIZE=options.batch_size).build()
    runtime = open_runtime(name, sharding=experiment.sharding)
    steps = TimedSteps(experiment, runtime, compiled=WAYS[name])
    steps.take(options.warm_up)
    graphs = runtime.compiled_graphs()
    host, whole = [], []
    for _ in range(options.repeats):
        whole.append(seconds(lambda: runtime.scalars(steps.begin())))
        host.append(steps.host_s)
    return {
        "runtime": name,
        "device": runtime.describe(),
        "model": " ".join(options.gin_file or options.default_gin_files),
        "examples": options.batch_size,
        "host_s": host,
        "step_s": whole,
        "new_graphs": runtime.compiled_graphs() - graphs,
    }


def tell(rows: Sequence[Row]) -> str:
    """Returns both times of a step, the share of the host, and the ratio to the eager step."""
    xla, eager = rows
    titles = ("runtime", "host, s, median (least-greatest)", "whole step, s")
    lines = [
        # An eager step is computed while it is traced.
        (row["runtime"], spread(row["host_s"]) if row is xla else "", spread(row["step_s"]))
        for row in rows
    ]
    share = statistics.median(
        host / whole for host, whole in zip(xla["host_s"], xla["step_s"], strict=True)
    )
    ratio = statistics.median(xla["step_s"]) / statistics.median(eager["step_s"])
    return "\n".join(
        [
            table(titles, lines),
            "",
            f"{xla['model']}; {xla['examples']} clips a step; {xla['device']}.",
            f"- Tracing and sending take {share:.1%} of a step (asked: under {ASKED:.0%}); "
            f"{xla['new_graphs']} graphs were compiled meanwhile.",
            f"- A step takes {ratio:.2f} of the time of the eager one.",
        ]
    )


def _add_flags(parser: argparse.ArgumentParser) -> None:
    add_model_flags(parser, "mirasol_small")
    add_repeats_flag(parser, 10)
    parser.add_argument("--batch_size", type=int, default=1, help="clips (default: %(default)s)")
    parser.add_argument("--warm_up", type=int, default=4, help="steps (default: %(default)s)")


DISPATCH = Benchmark(
    purpose="how much of a step on XLA goes by before the device has it",
    add_flags=_add_flags,
    measure=measure,
    tell=tell,
)
