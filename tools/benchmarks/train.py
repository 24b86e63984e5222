"""Training steps on the device that is here: examples a second, use of the device, memory.

A batch of noise lies ready on the device, so no data and no TensorFlow are in it; the steps are the
trainer's own. Each variant has a process of its own, whose memory is its own.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import statistics
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from benchmarks.clocks import best_product_rate, seconds, spread
from benchmarks.report import Benchmark, Row, table
from benchmarks.sizes import add_model_flags, stated
from benchmarks.steps import Steps
from mirasol.batch import empty_batch
from mirasol.description.operations import train_flops
from mirasol.progress import progress_bar
from mirasol.runtime.base import Runtime
from mirasol.runtime.select import RUNTIMES, open_runtime
from mirasol.spelling import nearest

COSTS = 5
ATTENTION = {
    "flash": SDPBackend.FLASH_ATTENTION,
    "efficient": SDPBackend.EFFICIENT_ATTENTION,
    "cudnn": SDPBackend.CUDNN_ATTENTION,
    "math": SDPBackend.MATH,
}
COMPILERS = ("compiled", "eager")


def measure(options: argparse.Namespace) -> list[Row]:
    """Returns a row for each variant."""
    for variant in options.variants:
        _parts(variant)
    context = multiprocessing.get_context("spawn")
    rows: list[Row] = []
    with progress_bar(total=len(options.variants), title="train", unit="variants") as bar:
        for variant in options.variants:
            with ProcessPoolExecutor(1, mp_context=context) as pool:
                rows.append(pool.submit(measure_variant, options, variant).result())
            bar.update()
    return rows


def measure_variant(options: argparse.Namespace, variant: str) -> dict[str, Any]:
    """Returns the row of one variant, of a process that has measured nothing else."""
    compiler, kernel = _parts(variant)
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    experiment = stated(options, BATCH_SIZE=options.batch_size).build()
    runtime = open_runtime(options.runtime, options.precision, experiment.sharding)
    shape = experiment.converter.shape
    counted = train_flops(experiment.build_model("meta").train(), empty_batch(shape, 1, "meta"))
    row: dict[str, Any] = {
        "variant": variant,
        "model": " ".join(options.gin_file or options.default_gin_files),
        "device": runtime.describe(),
        "frames": shape.frames,
        "questions": shape.questions,
        "examples": options.batch_size,
        "flops": counted * options.batch_size,
        "steps": options.steps,
    }
    try:
        with sdpa_kernel([ATTENTION[kernel]] if kernel else list(ATTENTION.values())):
            steps = Steps(experiment, runtime, compiled=compiler == "compiled")
            row["first_step_s"] = seconds(lambda: steps.take(1))
            steps.take(options.warm_up)
            row["seconds"] = [
                seconds(lambda: steps.take(options.steps)) / options.steps
                for _ in range(options.repeats)
            ]
            row["costs"] = _costs(steps)
    except torch.OutOfMemoryError:
        return row | {"failed": "out of memory"}
    row |= _peak(runtime)
    row["without_tensorflow"] = "tensorflow" not in sys.modules
    return row | {"peak_memory": runtime.peak_memory(), "graphs": runtime.compiled_graphs()}


def _peak(runtime: Runtime) -> dict[str, Any]:
    """Returns the operations a second that all devices could do, and who says so."""
    stated_flops = runtime.peak_flops()
    if stated_flops is not None:
        devices = math.prod(runtime.mesh.values())
        return {"peak_flops": stated_flops * devices, "peak_is": "the maker's figure"}
    if runtime.device.type == "cpu":
        return {"peak_flops": best_product_rate(), "peak_is": "this machine's best matrix product"}
    return {"peak_flops": None, "peak_is": "not known"}


def _parts(variant: str) -> tuple[str, str]:
    """Returns compiler and attention kernel of a variant, the latter "" for torch's choice."""
    compiler, _, kernel = variant.partition("+")
    if compiler not in COMPILERS:
        raise ValueError(
            f"--variants: {variant!r} begins with none of {', '.join(COMPILERS)}"
            f"{nearest(compiler, COMPILERS)}"
        )
    if kernel and kernel not in ATTENTION:
        raise ValueError(
            f"--variants: {variant!r} ends with none of {', '.join(ATTENTION)}"
            f"{nearest(kernel, ATTENTION)}"
        )
    return compiler, kernel


def _costs(steps: Steps) -> list[dict[str, Any]]:
    """Returns the kernels, or on a CPU the operators, that a step spends most time in."""
    with torch.profiler.profile() as profile:
        steps.take(1)
    on_device = steps.runtime.device.type == "cuda"

    def spent(one: Any) -> float:
        return one.self_device_time_total if on_device else one.self_cpu_time_total

    found = sorted(profile.key_averages(), key=spent, reverse=True)
    whole = sum(map(spent, found))
    return [{"name": one.key, "share": spent(one) / whole} for one in found[:COSTS]]


def tell(rows: Sequence[Row]) -> str:
    """Returns a line for each variant, and what its steps are spent on."""
    titles = (
        "variant",
        "s a step, median (least-greatest)",
        "examples a second",
        "GFLOP/s",
        "of the peak",
        "peak memory, GB",
        "first step, s",
    )
    one = rows[0]
    sizes = (
        f"{one['model']}; {one['device']}; {one['examples']} clips of {one['frames']} frames with "
        f"{one['questions']} questions, {one['flops'] / 1e9:,.0f} GFLOP a step."
    )
    done = [row for row in rows if "seconds" in row]
    lines = [table(titles, [_line(row) for row in rows]), "", sizes]
    if done and done[0]["peak_flops"]:
        lines += [f"The peak is {done[0]['peak_is']}, {done[0]['peak_flops'] / 1e9:,.0f} GFLOP/s."]
    lines += ["", *(_told_costs(row) for row in done)]
    return "\n".join(lines)


def _line(row: Row) -> tuple[object, ...]:
    if "seconds" not in row:
        return (row["variant"], row["failed"], *[""] * 5)
    step_s = statistics.median(row["seconds"])
    rate = row["flops"] / step_s
    memory = row["peak_memory"]
    return (
        row["variant"],
        spread(row["seconds"]),
        f"{row['examples'] / step_s:.2f}",
        f"{rate / 1e9:,.0f}",
        f"{rate / row['peak_flops']:.1%}" if row["peak_flops"] else "not known",
        "not known" if memory is None else f"{memory / 1e9:.1f}",
        f"{row['first_step_s']:.1f}",
    )


def _told_costs(row: Row) -> str:
    costs = ", ".join(f"`{cost['name']}` {cost['share']:.0%}" for cost in row["costs"])
    return f"- {row['variant']}: most time in {costs}."


def _add_flags(parser: argparse.ArgumentParser) -> None:
    add_model_flags(parser, "mirasol_small", frames=16)
    parser.add_argument("--runtime", default="auto", help=f"{', '.join(RUNTIMES)} (%(default)s)")
    parser.add_argument("--precision", default="float32", help="or bfloat16 (%(default)s)")
    parser.add_argument("--batch_size", type=int, default=1, help="clips (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=3, help="in a turn (default: %(default)s)")
    parser.add_argument("--warm_up", type=int, default=2, help="steps (default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=3, help="turns (default: %(default)s)")
    kernels = ", ".join(ATTENTION)
    parser.add_argument(
        "--variants",
        nargs="+",
        default=["compiled"],
        metavar="VARIANT",
        help=f"compiled or eager, with +KERNEL for one kernel of attention alone, of {kernels}",
    )


TRAIN = Benchmark(
    purpose="training steps on the device that is here: speed, utilisation, memory",
    add_flags=_add_flags,
    measure=measure,
    tell=tell,
)
