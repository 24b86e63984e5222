"""Types every name in the shipped gin files wrongly, one slip at a time, and asks `check`.

    python tools/fuzz_gin.py --output=fuzz         every file, on every core
    python tools/fuzz_gin.py --file=runs/manifest.gin --sample=200

A slip is a letter left out, a letter twice, or two neighbours swapped, in any identifier and in any
text that names something (a parameter annotated `str` is free text). It must be rejected, or leave
the experiment what it was; of a sweep, its plan (fuzzing/stated.py). Exits with 1 if a slip passes
or crashes, or if fewer than 95 % of those that are rejected are told the right name first.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import os
import random
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from fuzzing.bench import Bench, Verdict, copied, copy, shipped_files
from fuzzing.report import Report
from fuzzing.slips import Slip

from mirasol.data import task_names
from mirasol.progress import progress_bar
from mirasol.tool_options import ToolParser

_CHUNK = 16  # Slips that a process is handed at a time.
_benches: dict[str, Bench] = {}  # Of a worker, which has been forked with them.


def fuzz(
    files: Sequence[str], sample: int | None = None, seed: int = 0, processes: int = 1
) -> list[Verdict]:
    """Returns the verdicts on all slips in the files, or on a sample of so many."""
    with copied():
        benches = {file: Bench(file) for file in files}
        chosen = [slip for bench in benches.values() for slip in bench.slips()]
        if sample is not None:
            chosen = random.Random(seed).sample(chosen, min(sample, len(chosen)))
        if processes == 1:
            return _followed((benches[slip.file].try_out(slip) for slip in chosen), len(chosen))
        return _in_processes(benches, chosen, processes)


def _in_processes(
    benches: Mapping[str, Bench], chosen: Sequence[Slip], processes: int
) -> list[Verdict]:
    """Tries the slips out in forked processes, each in a copy of the files that is its own."""
    task_names.registered()  # Takes seconds; the processes have the answer from here.
    context = multiprocessing.get_context("fork")
    with contextlib.ExitStack() as stack:
        folders = context.SimpleQueue()
        for _ in range(processes):
            folders.put(stack.enter_context(copy()))
        pool = stack.enter_context(context.Pool(processes, _begin, (benches, folders)))
        return _followed(pool.imap_unordered(_try_out, chosen, _CHUNK), len(chosen))


def _begin(benches: Mapping[str, Bench], folders: Any) -> None:
    os.chdir(folders.get())
    _benches.update(benches)


def _try_out(slip: Slip) -> Verdict:
    return _benches[slip.file].try_out(slip)


def _followed(verdicts: Iterable[Verdict], total: int) -> list[Verdict]:
    """Returns the verdicts in the order of the files, with a progress bar until all are there."""
    found = []
    with progress_bar(total=total, title="fuzz", unit="slips") as bar:
        for verdict in verdicts:
            found.append(verdict)
            bar.update()
    return sorted(found, key=lambda each: (each.slip.file, each.slip.name.line, each.slip.wrong))


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    given = _parsed(arguments)
    began = time.monotonic()
    verdicts = fuzz(given.file or shipped_files(), given.sample, given.seed, given.processes)
    how = {
        "files": len({each.slip.file for each in verdicts}),
        "sample": given.sample or "all",
        "seed": given.seed,
        "processes": given.processes,
        "seconds": round(time.monotonic() - began),
    }
    report = Report(verdicts, how)
    if given.output:
        report.write(given.output)
    print(report.as_markdown(given.show))
    return int(not report.passed)


def _parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = ToolParser(description=__doc__.splitlines()[0])
    parser.add_argument("--file", action="append", help="a shipped file; all by default")
    parser.add_argument("--sample", type=int, help="so many slips, drawn; all by default")
    parser.add_argument("--seed", type=int, default=0, help="of the draw")
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="one a core")
    parser.add_argument("--show", type=int, default=20, help="slips listed that got another name")
    parser.add_argument("--output", type=Path, help="folder for fuzz_gin.json and fuzz_gin.md")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
