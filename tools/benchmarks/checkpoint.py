"""Saving and restoring a training state: ours, torch.save and DCP's own files, in turns.

A state is parameters and AdamW's two moments of transformer blocks. Ours is saved in the
background, as a run does it: `held` is what a step waits, while tensors are copied; the rest of the
save goes on beside the next steps, here beside nothing. Ours and DCP's bring every byte to the disk
before they are done, torch.save leaves that to the system. What was saved last is restored: by ours
and DCP into tensors that are there, by torch.load into new ones; ours verifies every checksum. The
files are then still in memory, of all three. A run restores once, when it begins, so each restore
is timed in a process of its own: one that has restored before has memory left over, for which DCP
and torch.load otherwise have to ask the system.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import contextlib
import functools
import multiprocessing
import statistics
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import torch
from torch.distributed import checkpoint as dcp

from benchmarks.clocks import add_repeats_flag, in_turns, seconds, spread, told_in_turns
from benchmarks.memory import peak_bytes
from benchmarks.report import Benchmark, Row, table
from mirasol.checkpoint.manager import CheckpointManager

T = TypeVar("T")
Fill = Callable[[list[int]], torch.Tensor]

FOLDER = Path(__file__).parents[2] / ".bench"
OURS, TORCH, DCP = WAYS = "ours", "torch.save and torch.load", "DCP's own files"
HELD, SAVE, RESTORE = "held_s", "save_s", "restore_s"
ASKED_HELD, ASKED_OVER_DCP = 0.25, 3.0
# Of a transformer block, in widths.
SHAPES = {
    "qkv.weight": (3, 1),
    "out.weight": (1, 1),
    "up.weight": (4, 1),
    "down.weight": (1, 4),
    "norm_1.weight": (1,),
    "norm_2.weight": (1,),
}


class Bench:
    """One state, and a folder to save it in.

    Args:
      megabytes: of the state, and up to a block more.
      width: of the blocks.
      folder: holds what is saved.
      fill: gives a tensor of a shape.
    """

    def __init__(self, megabytes: int, width: int, folder: Path, fill: Fill = torch.randn):
        self.folder = folder
        self.state = make_state(megabytes * 10**6, width, fill)
        self.manager = CheckpointManager(folder / "ours", keep=1)
        self._step = 0

    def hold(self) -> None:
        """Begins a save of ours."""
        self._step += 1
        self.manager.save_async(self._step, {"state": self.state, "step": self._step})

    def finish(self) -> None:
        """Waits for the rest of it."""
        self.manager.wait_until_finished()

    def torch_save(self) -> None:
        """Saves by torch.save, over the last one."""
        torch.save(self.state, self.folder / "torch.pt")

    def dcp_save(self) -> None:
        """Saves by DCP's own writer, over the last one."""
        with _without_warnings():
            dcp.save(self.state, storage_writer=dcp.FileSystemWriter(self.folder / "dcp"))

    def restore(self) -> None:
        """Restores what ours saved last, into the tensors of the state."""
        self.manager.restore({"state": self.state, "step": 0})

    def torch_load(self) -> None:
        """Loads what torch.save saved, into new tensors."""
        torch.load(self.folder / "torch.pt")

    def dcp_load(self) -> None:
        """Restores what DCP's own writer saved, into the tensors of the state."""
        with _without_warnings():
            dcp.load(self.state, storage_reader=dcp.FileSystemReader(self.folder / "dcp"))

    def save_once(self, way: str) -> None:
        """Saves by one of WAYS."""
        ours = (self.hold, self.finish)
        for action in {OURS: ours, TORCH: (self.torch_save,), DCP: (self.dcp_save,)}[way]:
            action()

    def restore_once(self, way: str) -> None:
        """Restores by one of WAYS."""
        {OURS: self.restore, TORCH: self.torch_load, DCP: self.dcp_load}[way]()


def make_state(size_bytes: int, width: int, fill: Fill) -> dict[str, torch.Tensor]:
    """Returns parameters of transformer blocks and two moments of each, float32, by name."""
    state: dict[str, torch.Tensor] = {}
    block = 0
    while sum(tensor.nbytes for tensor in state.values()) < size_bytes:
        for kind in ("model", "exp_avg", "exp_avg_sq"):
            for name, widths in SHAPES.items():
                state[f"{kind}.blocks.{block}.{name}"] = fill([width * each for each in widths])
        block += 1
    return state


def measure(options: argparse.Namespace) -> list[Row]:
    """Returns a row for each way."""
    with _scratch(options.folder) as folder:
        bench = Bench(options.megabytes, options.width, folder)
        first = seconds(bench.hold)
        bench.finish()
        saves = {
            HELD: bench.hold,
            OURS: bench.finish,
            TORCH: bench.torch_save,
            DCP: bench.dcp_save,
        }
        saved = in_turns(saves, options.repeats, "save")
        bench.manager.close()
        clocks = {
            way: functools.partial(_in_new_process, seconds_of_restore, way, options, folder)
            for way in WAYS
        }
        restored = told_in_turns(clocks, options.repeats, "restore")
        size = sum(tensor.nbytes for tensor in bench.state.values())
    held = saved.pop(HELD)
    saved[OURS] = [sum(pair) for pair in zip(held, saved[OURS], strict=True)]
    return [
        {
            "way": way,
            "bytes": size,
            HELD: held if way == OURS else saved[way],
            "first_held_s": first if way == OURS else None,
            SAVE: saved[way],
            RESTORE: restored[way],
            "peak_bytes": _in_new_process(peak_of_save, way, options)
            if way in options.memory_of
            else None,
        }
        for way in WAYS
    ]


def _in_new_process(function: Callable[..., T], *arguments: object) -> T:
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(function, *arguments).result()


def seconds_of_restore(way: str, options: argparse.Namespace, folder: Path) -> float:
    """Returns how long a process takes for its first restore, imports and threads apart.

    Args:
      way: one of WAYS.
      options: with the sizes of the state.
      folder: where it is saved.
    """
    with _scratch(options.folder) as other:
        _warm_up(way, other)
    # Tensors with memory, as those of a model that was initialised.
    bench = Bench(options.megabytes, options.width, folder, torch.ones)
    return seconds(functools.partial(bench.restore_once, way))


def _warm_up(way: str, folder: Path) -> None:
    """Saves and restores little: imports and threads come with the first of all."""
    small = Bench(1, 64, folder)
    small.save_once(way)
    small.restore_once(way)
    small.manager.close()


def peak_of_save(way: str, options: argparse.Namespace) -> int:
    """Returns by how much a state's first save exceeds the memory before it, the state included."""
    with _scratch(options.folder) as folder:
        (folder / "small").mkdir()
        _warm_up(way, folder / "small")
        bench = Bench(options.megabytes, options.width, folder)
        return peak_bytes(functools.partial(bench.save_once, way))


def tell(rows: Sequence[Row]) -> str:
    """Returns the table, and what is asked beside what was measured."""
    titles = ("way", "step held, s", "whole save, s", "restore, s", "peak beyond the state, MB")
    lines = [
        (row["way"], *(spread(row[name], 2) for name in (HELD, SAVE, RESTORE)), _peak_mb(row))
        for row in rows
    ]
    size = f"A state of {rows[0]['bytes'] / 1e6:,.0f} MB; median (least-greatest)."
    return "\n".join([table(titles, lines), "", size, "", *_verdicts(rows)])


def _verdicts(rows: Sequence[Row]) -> list[str]:
    ours, plain, other = rows
    held = _median(ours, HELD) / _median(plain, SAVE)
    found = [
        f"- A save holds the step for {held:.2f} of the time of torch.save (asked: at most "
        f"{ASKED_HELD:.2f}).",
        f"- Ours restores {_median(other, RESTORE) / _median(ours, RESTORE):.1f} times as fast as "
        f"DCP's own files (asked: at least {ASKED_OVER_DCP:.0f}) and "
        f"{_median(plain, RESTORE) / _median(ours, RESTORE):.1f} times as fast as torch.load "
        "(asked: at least 1).",
        f"- The first save of a process holds the step for {ours['first_held_s']:.2f} s: it "
        "asks the system for the memory of the copy.",
    ]
    if ours["peak_bytes"] is not None:
        copies = ours["peak_bytes"] / ours["bytes"]
        found.append(f"- A save takes {copies:.2f} copies of the state (asked: at most 1).")
    return found


def _median(row: Row, name: str) -> float:
    return statistics.median(row[name])


def _peak_mb(row: Row) -> str:
    return "" if row["peak_bytes"] is None else f"{row['peak_bytes'] / 1e6:,.0f}"


@contextlib.contextmanager
def _scratch(parent: Path) -> Iterator[Path]:
    """Makes a folder that is gone at the end."""
    parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=parent) as name:
        yield Path(name)


@contextlib.contextmanager
def _without_warnings() -> Iterator[None]:
    """Does without DCP's words: one process, older storages, a checkpoint that it writes over."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _add_flags(parser: argparse.ArgumentParser) -> None:
    add_repeats_flag(parser, 5)
    parser.add_argument(
        "--megabytes", type=int, default=1000, help="of the state (default: %(default)s)"
    )
    parser.add_argument(
        "--width", type=int, default=1024, help="of its transformer blocks (default: %(default)s)"
    )
    parser.add_argument(
        "--folder", type=Path, default=FOLDER, help="on the disk to measure (default: %(default)s)"
    )
    parser.add_argument(
        "--memory_of",
        nargs="*",
        choices=WAYS,
        default=list(WAYS),
        help="ways whose memory is measured, each in a new process (default: all)",
    )


CHECKPOINT = Benchmark(
    purpose="saving and restoring a state: ours, torch.save and DCP's own files",
    add_flags=_add_flags,
    measure=measure,
    tell=tell,
)
