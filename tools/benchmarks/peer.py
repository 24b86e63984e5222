"""Against mirasol-pytorch 0.0.16 from PyPI: the same sizes, frames and losses, in turns.

The other package is put into a folder of its own, `.bench/peer`, which comes first on the path of
its process alone; both sides use this environment's torch.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import shutil
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.clocks import add_repeats_flag, spread
from benchmarks.peer_worker import Sizes
from benchmarks.report import Benchmark, Row, table
from mirasol.progress import progress_bar

# The newest x-transformers refuse the arguments that mirasol-pytorch gives them.
PACKAGES = ("mirasol-pytorch==0.0.16", "x-transformers==1.26.6", "einops", "beartype")
TOOLS = Path(__file__).parents[1]
FOLDER = TOOLS.parent / ".bench" / "peer"
SIDES = ("ours", "theirs")
ASKED = 3.0
GRADIENTS, FUSED, UNASKED, WRITING = (
    "gradients_s",
    "fused_update_s",
    "unasked_update_s",
    "generate_s",
)
TITLES = {
    GRADIENTS: "forward, backward, s",
    FUSED: "update, fused, s",
    UNASKED: "update, unasked, s",
    WRITING: "writing, s",
}


def measure(options: argparse.Namespace) -> list[Row]:
    """Returns a row for each number of frames, number of columns and side."""
    install(options.packages)
    cases = [sizes for frames in options.frames for sizes in _cases(options, frames)]
    found: dict[tuple[int, str], list[dict[str, Any]]] = {}
    turns = [
        (turn, case, side)
        for turn in range(options.turns)
        for case in range(len(cases))
        for side in SIDES
    ]
    with progress_bar(total=len(turns), title="peer", unit="processes") as bar:
        for _, case, side in turns:
            found.setdefault((case, side), []).append(_run(side, cases[case], options.packages))
            bar.update()
    return [_row(side, cases[case], runs) for (case, side), runs in found.items()]


def _cases(options: argparse.Namespace, frames: int) -> list[Sizes]:
    """Returns the sizes with the fewest columns that the other side takes, and with those given."""
    pairs = (pair.split("=") for pair in options.set)
    whole = {name: int(value) for name, value in pairs}
    whole |= {"steps": options.repeats, "threads": torch.get_num_threads()}
    chunks = frames // whole.get("chunk_frames", Sizes.chunk_frames)
    return [
        Sizes(chunks=chunks, columns=number, **whole)
        for number in dict.fromkeys([chunks, max(chunks, options.columns)])
    ]


def install(folder: Path) -> None:
    """Puts the other package into its folder, once; without its dependencies' torch."""
    if (folder / "mirasol_pytorch").is_dir():
        return
    uv = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))
    pip = [uv, "pip", "install", "--python", sys.executable] if uv else None
    command = [*(pip or [sys.executable, "-m", "pip", "install"]), "--no-deps"]
    subprocess.run([*command, "--target", str(folder), *PACKAGES], check=True)


def _run(side: str, sizes: Sizes, folder: Path) -> dict[str, Any]:
    """Returns what one new process measures.

    Raises:
      ValueError: it fails; with the end of what it said.
    """
    before = [str(folder)] if side == "theirs" else []
    path = [*before, str(TOOLS), *filter(None, [os.environ.get("PYTHONPATH")])]
    command = [sys.executable, "-m", "benchmarks.peer_worker", side]
    done = subprocess.run(
        [*command, json.dumps(dataclasses.asdict(sizes))],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise ValueError(f"the process of {side!r} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def _row(side: str, sizes: Sizes, runs: Sequence[dict[str, Any]]) -> Row:
    return {
        "side": side,
        "frames": sizes.chunks * sizes.chunk_frames,
        **dataclasses.asdict(sizes),
        "parameters": runs[0]["parameters"],
        "flops": runs[0]["flops"],
        **{name: [time for run in runs for time in run[name]] for name in TITLES},
    }


def tell(rows: Sequence[Row]) -> str:
    """Returns the table, and how many times as long the other side takes."""
    titles = ("frames", "columns", "side", "parameters", "GFLOP a step", *TITLES.values())
    lines = [
        (
            row["frames"],
            row["columns"],
            row["side"],
            f"{row['parameters'] / 1e6:.0f}M",
            f"{row['flops'] / 1e9:,.0f}",
            *(spread(row[name], 2) for name in TITLES),
        )
        for row in rows
    ]
    pairs = zip(*([row for row in rows if row["side"] == side] for side in SIDES), strict=True)
    return "\n".join([table(titles, lines), "", *(_verdict(*pair) for pair in pairs)])


def _verdict(ours: Row, theirs: Row) -> str:
    def times(*names: str) -> str:
        return f"{_median_s(theirs, names) / _median_s(ours, names):.2f}"

    both_unasked = times(GRADIENTS, UNASKED)
    return (
        f"- {ours['frames']} frames, {ours['columns']} columns a chunk: the other takes "
        f"{times(GRADIENTS, FUSED)} times as long for a step ({both_unasked} with the update that "
        f"torch makes unasked on both sides) and {times(WRITING)} times as long to write "
        f"{ours['written']} tokens, with {theirs['flops'] / ours['flops']:.2f} times the "
        f"operations of a step (asked: at least {ASKED:.0f} times as long)."
    )


def _median_s(row: Row, names: Sequence[str]) -> float:
    """Returns the sum of the medians of the parts named."""
    return sum(statistics.median(row[name]) for name in names)


def _add_flags(parser: argparse.ArgumentParser) -> None:
    add_repeats_flag(parser, 3)
    parser.add_argument("--frames", type=int, nargs="+", default=[16, 64])
    parser.add_argument(
        "--columns",
        type=int,
        default=32,
        help="of the spectrogram in a chunk, besides the fewest (default: %(default)s)",
    )
    parser.add_argument("--turns", type=int, default=3, help="processes of each side, in turns")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="SIZE=NUMBER",
        help=f"may be repeated: {', '.join(field.name for field in dataclasses.fields(Sizes))}",
    )
    parser.add_argument("--packages", type=Path, default=FOLDER, help="where the other lives")


PEER = Benchmark(
    purpose="a training step and generation against mirasol-pytorch 0.0.16",
    add_flags=_add_flags,
    measure=measure,
    tell=tell,
)
