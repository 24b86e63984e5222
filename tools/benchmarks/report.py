"""What every benchmark leaves: rows, the machine they are of, and a table made from the rows."""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import json
import os
import platform
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from mirasol.provenance import code
from mirasol.whole_file import whole_file

Row = Mapping[str, Any]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Benchmark:
    """One sub-command.

    Attributes:
      purpose: in a line, for the help.
      add_flags: adds the flags that it has besides the common ones.
      measure: flags -> rows, numbers and names alone.
      tell: rows -> Markdown; everything in it is computed from the rows.
      draw: rows and a path -> a picture, or None.
    """

    purpose: str
    add_flags: Callable[[argparse.ArgumentParser], None]
    measure: Callable[[argparse.Namespace], Sequence[Row]]
    tell: Callable[[Sequence[Row]], str]
    draw: Callable[[Sequence[Row], Path], None] | None = None


def write(path: Path, name: str, command: str, rows: Sequence[Row]) -> None:
    """Writes rows with all that is needed to repeat them, as JSON; whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    record = {"benchmark": name, "command": command, "machine": machine(), "rows": list(rows)}
    with whole_file(path) as file:
        file.write(json.dumps(record, indent=1) + "\n")


def put(page: Path, mark: str, text: str) -> None:
    """Puts a text into a page, where `<!-- mark -->` and `<!-- end -->` enclose the one before.

    Raises:
      ValueError: the page has no such marks.
    """
    before = page.read_text(encoding="utf-8")
    head, start, rest = before.partition(f"<!-- {mark} -->\n")
    _, end, tail = rest.partition("<!-- end -->")
    if not start or not end:
        raise ValueError(f"{page} has no <!-- {mark} --> with <!-- end --> behind it")
    with whole_file(page) as file:
        file.write(f"{head}{start}{text}\n{end}{tail}")


def machine() -> dict[str, Any]:
    """Returns the machine, the threads in use, the versions, the commit and the date."""
    return {
        "cpu": _cpu(),
        "cores": len(os.sched_getaffinity(0)),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        **code.commit(code.package()),
    }


def _cpu() -> str:
    """Returns the processor's name; Linux writes it to /proc/cpuinfo."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def table(titles: Sequence[str], lines: Sequence[Sequence[object]]) -> str:
    """Returns a Markdown table; all but the first column are set to the right."""
    head = [list(titles), ["---", *["---:"] * (len(titles) - 1)]]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in [*head, *lines])
