"""Timing: in turns, so that a machine whose speed drifts slows all that is compared alike."""

from __future__ import annotations

import argparse
import functools
import statistics
import time
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import nn

from mirasol.batch import Batch
from mirasol.progress import progress_bar


def add_repeats_flag(parser: argparse.ArgumentParser, repeats: int) -> None:
    """Adds the flag that says how often each thing is timed."""
    parser.add_argument(
        "--repeats", type=int, default=repeats, help="timed calls of each (default: %(default)s)"
    )


def train_step(model: nn.Module, batch: Batch) -> None:
    """Runs forward and backward once, and drops the gradients; no optimizer."""
    model(batch)["loss"].backward()
    model.zero_grad()


def in_turns(
    functions: Mapping[str, Callable[[], object]], repeats: int, title: str
) -> dict[str, list[float]]:
    """Times each function `repeats` times, A B C A B C ...; one call of each first, untimed.

    Returns:
      Seconds, in order, by name.
    """
    clocks = {name: functools.partial(seconds, each) for name, each in functions.items()}
    found = told_in_turns(clocks, repeats + 1, title)
    return {name: times[1:] for name, times in found.items()}


def told_in_turns(
    clocks: Mapping[str, Callable[[], float]], repeats: int, title: str
) -> dict[str, list[float]]:
    """Calls each function `repeats` times, A B C A B C ...; each returns the seconds that it timed.

    Returns:
      Seconds, in order, by name.
    """
    found: dict[str, list[float]] = {name: [] for name in clocks}
    with progress_bar(total=repeats * len(clocks), title=title, unit="calls") as bar:
        for _ in range(repeats):
            for name, clock in clocks.items():
                found[name].append(clock())
                bar.update()
    return found


def seconds(function: Callable[[], object]) -> float:
    """Returns how long one call takes."""
    started = time.perf_counter()
    function()
    return time.perf_counter() - started


def spread(values: Sequence[float], digits: int = 3) -> str:
    """Returns the median, and the least and the greatest in brackets."""
    least, greatest = min(values), max(values)
    return f"{statistics.median(values):.{digits}f} ({least:.{digits}f}-{greatest:.{digits}f})"


def matrix_product(size: int) -> Callable[[], object]:
    """Returns a product of two float32 matrices of that size, 2 * size^3 operations."""
    left, right = torch.randn(size, size), torch.randn(size, size)
    result = torch.empty(size, size)
    return lambda: torch.mm(left, right, out=result)


def best_product_rate(size: int = 2048, products: int = 5) -> float:
    """Returns the operations a second of the quickest of several products."""
    product = matrix_product(size)
    return 2 * size**3 / min(seconds(product) for _ in range(products))
