"""Measures what docs/benchmarks.md states: rows of numbers as JSON, and a table made of them.

python tools/bench.py ops
python tools/bench.py rate --threads=2 --output=/tmp/rate.json
python tools/bench.py show docs/benchmarks/*.json

`show` prints the tables of rows measured before and draws their pictures again.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from benchmarks.checkpoint import CHECKPOINT
from benchmarks.dispatch import DISPATCH
from benchmarks.frames import FRAMES_BENCHMARK
from benchmarks.loader import LOADER
from benchmarks.ops import OPS
from benchmarks.overlap import OVERLAP
from benchmarks.peer import PEER
from benchmarks.questions import QUESTIONS
from benchmarks.rate import RATE
from benchmarks.report import write
from benchmarks.train import TRAIN

from mirasol.tool_options import ToolParser

BENCHMARKS = {
    "ops": OPS,
    "rate": RATE,
    "train": TRAIN,
    "frames": FRAMES_BENCHMARK,
    "questions": QUESTIONS,
    "peer": PEER,
    "loader": LOADER,
    "overlap": OVERLAP,
    "dispatch": DISPATCH,
    "checkpoint": CHECKPOINT,
}
FOLDER = Path(__file__).parents[1] / "docs" / "benchmarks"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one benchmark, or shows what was measured; returns the exit code."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    options = _parser().parse_args(arguments)
    try:
        if options.benchmark == "show":
            for path in options.files:
                _show(path)
        else:
            _run(options, shlex.join(["python", "tools/bench.py", *arguments]))
    except (ValueError, OSError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    return 0


def _run(options: argparse.Namespace, command: str) -> None:
    name = options.benchmark
    path = options.output or FOLDER / f"{name}.json"
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    write(path, name, command, BENCHMARKS[name].measure(options))
    _show(path)


def _show(path: Path) -> None:
    """Prints the table of a file of rows, and draws its picture beside it."""
    record = json.loads(path.read_text(encoding="utf-8"))
    benchmark, rows = BENCHMARKS[record["benchmark"]], record["rows"]
    print(f"{path}\n\n{benchmark.tell(rows)}\n")
    if benchmark.draw is not None:
        picture = path.with_suffix(".png")
        benchmark.draw(rows, picture)
        print(picture)


def _parser() -> argparse.ArgumentParser:
    parser = ToolParser(description=__doc__)
    commands = parser.add_subparsers(dest="benchmark", required=True)
    for name, benchmark in BENCHMARKS.items():
        command = commands.add_parser(name, help=benchmark.purpose, description=benchmark.purpose)
        benchmark.add_flags(command)
        command.add_argument("--threads", type=int, help="of torch (default: its own)")
        command.add_argument(
            "--output", type=Path, help=f"file of rows (default: docs/benchmarks/{name}.json)"
        )
    shown = commands.add_parser("show", help="tables and pictures of rows measured before")
    shown.add_argument("files", type=Path, nargs="+")
    return parser


if __name__ == "__main__":
    sys.exit(main())
