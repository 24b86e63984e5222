"""How much of a step the host takes before the device has it: tracing, and sending what to compute.

    host     trace, hash, look up, send |            free for the next batch
    device                              | compute

Step after step, each waited for, so that none is sent while the one before still computes. What the
host takes hides behind the step before it as long as it is less than the step. XLA's step on a CPU
is a rehearsal: the ratio to the eager step is told, and says nothing of a TPU.
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

from benchmarks.clocks import add_repeats_flag, spread
from benchmarks.report import Benchmark, Row, table
from benchmarks.sizes import add_model_flags, stated
from benchmarks.steps import Steps
from mirasol.progress import progress_bar
from mirasol.runtime.select import open_runtime

ASKED = 0.2
WAYS = {"xla": True, "cpu": False}  # Runtime -> whether its steps are compiled.


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
    steps = Steps(experiment, runtime, compiled=WAYS[name])
    steps.take(options.warm_up)
    graphs = runtime.compiled_graphs()
    sent, whole = [], []
    for _ in range(options.repeats):
        started = time.perf_counter()
        values = steps.begin()
        sent.append(time.perf_counter() - started)
        runtime.scalars(values)
        whole.append(time.perf_counter() - started)
    return {
        "runtime": name,
        "device": runtime.describe(),
        "model": " ".join(options.gin_file or options.default_gin_files),
        "examples": options.batch_size,
        "sent_s": sent,
        "step_s": whole,
        "new_graphs": runtime.compiled_graphs() - graphs,
    }


def tell(rows: Sequence[Row]) -> str:
    """Returns both times of a step, the share of the host, and the ratio to the eager step."""
    xla, eager = rows
    titles = ("runtime", "host, s, median (least-greatest)", "whole step, s")
    lines = [
        # An eager step is computed while it is sent.
        (row["runtime"], spread(row["sent_s"]) if row is xla else "", spread(row["step_s"]))
        for row in rows
    ]
    share = statistics.median(
        sent / whole for sent, whole in zip(xla["sent_s"], xla["step_s"], strict=True)
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
    add_model_flags(parser, "mirasol_small", frames=16)
    add_repeats_flag(parser, 10)
    parser.add_argument("--batch_size", type=int, default=1, help="clips (default: %(default)s)")
    parser.add_argument("--warm_up", type=int, default=4, help="steps (default: %(default)s)")


DISPATCH = Benchmark(
    purpose="how much of a step on XLA goes by before the device has it",
    add_flags=_add_flags,
    measure=measure,
    tell=tell,
)
