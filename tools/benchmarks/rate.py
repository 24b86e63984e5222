"""How much of the machine's matrix-product rate a training step reaches, and where the rest goes.

The rate of a step is its counted operations over its time; that of the machine is the best of
several large float32 products, timed in turns with the steps, with the same threads.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable, Sequence

import torch

from benchmarks.clocks import (
    add_repeats_flag,
    in_turns,
    matrix_product,
    seconds,
    spread,
    train_step,
)
from benchmarks.report import Benchmark, Row, table
from benchmarks.sizes import add_model_flags, random_batch, stated
from mirasol.batch import empty_batch
from mirasol.description.operations import train_flops

ASKED = 0.5
PRODUCTS = 5  # Of each size a turn; the quickest counts.
OPERATORS = 14  # Listed one by one.


def measure(options: argparse.Namespace) -> list[Row]:
    """Returns a row for the step, one for each size of product, one for each operator."""
    experiment = stated(options).build()
    shape = experiment.converter.shape
    on_paper = empty_batch(shape, options.batch_size, "meta")
    counted = train_flops(experiment.build_model("meta"), on_paper)
    model = experiment.build_model()
    batch = random_batch(shape, options.batch_size, model.text_decoder.vocab_size)

    def step() -> None:
        train_step(model, batch)

    best: dict[int, list[float]] = {size: [] for size in options.products}
    products = {f"{size}": _best_of(size, best[size]) for size in options.products}
    times = in_turns({"step": step, **products}, options.repeats, "rate")
    sizes = {"frames": shape.frames, "questions": shape.questions, "batch_size": options.batch_size}
    return [
        {"what": "step", **sizes, "flops": counted, "seconds": times["step"]},
        *(
            {"what": "product", "size": size, "flops": 2 * size**3, "seconds": found}
            for size, found in best.items()
        ),
        *_operators(step),
    ]


def _best_of(size: int, found: list[float]) -> Callable[[], None]:
    """Returns what appends the time of the quickest of several products to `found`."""
    product = matrix_product(size)
    return lambda: found.append(min(seconds(product) for _ in range(PRODUCTS)))


def _operators(step: Callable[[], None]) -> list[Row]:
    """Returns the operators that a step spends most time in, and all others as one row."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        step()
    found = sorted(profile.key_averages(), key=lambda one: one.self_cpu_time_total, reverse=True)
    rows: list[Row] = [
        {
            "what": "operator",
            "name": one.key.removeprefix("aten::"),
            "calls": one.count,
            "self_s": one.self_cpu_time_total / 1e6,
        }
        for one in found
    ]
    rest = rows[OPERATORS:]
    other = {
        "what": "operator",
        "name": "all others",
        "calls": sum(row["calls"] for row in rest),
        "self_s": sum(row["self_s"] for row in rest),
    }
    return [*rows[:OPERATORS], other]


def tell(rows: Sequence[Row]) -> str:
    """Returns both rates, their quotient, and the operators of a step."""
    (step,) = (row for row in rows if row["what"] == "step")
    products = [row for row in rows if row["what"] == "product"]
    fastest = max(products, key=lambda row: row["flops"] / min(row["seconds"]))
    best = fastest["flops"] / min(fastest["seconds"])
    reached = step["flops"] / statistics.median(step["seconds"])
    titles = "what", "GFLOP", "s, median (least-greatest)", "GFLOP/s"
    lines = [
        ("step", f"{step['flops'] / 1e9:,.1f}", spread(step["seconds"]), f"{reached / 1e9:.0f}"),
        *(
            (
                f"product of {row['size']} x {row['size']}",
                f"{row['flops'] / 1e9:,.1f}",
                spread(row["seconds"]),
                f"{row['flops'] / min(row['seconds']) / 1e9:.0f} (best)",
            )
            for row in products
        ),
    ]
    sizes = (
        f"Forward and backward of {step['batch_size']} clip(s) of {step['frames']} frames with "
        f"{step['questions']} question(s)."
    )
    verdict = (
        f"- A step reaches {reached / best:.0%} of the rate of the product of {fastest['size']} x "
        f"{fastest['size']} (asked: at least {ASKED:.0%})."
    )
    return "\n".join([table(titles, lines), "", sizes, "", verdict, "", _shares(rows)])


def _shares(rows: Sequence[Row]) -> str:
    operators = [row for row in rows if row["what"] == "operator"]
    total = sum(row["self_s"] for row in operators)
    lines = [
        (f"`{row['name']}`", row["calls"], f"{row['self_s']:.3f}", f"{row['self_s'] / total:.1%}")
        for row in operators
    ]
    return table(("operator, in one more step", "calls", "s", "share"), lines)


def _add_flags(parser: argparse.ArgumentParser) -> None:
    add_model_flags(parser, "mirasol_small")
    add_repeats_flag(parser, 5)
    parser.add_argument("--batch_size", type=int, default=1, help="clips (default: %(default)s)")
    parser.add_argument(
        "--products",
        type=int,
        nargs="+",
        default=[2048, 4096],
        help="sizes of the products (default: %(default)s)",
    )


RATE = Benchmark(
    purpose="a training step as a share of the matrix-product rate",
    add_flags=_add_flags,
    measure=measure,
    tell=tell,
)
