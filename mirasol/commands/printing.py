"""What several commands print alike."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any


def print_as(content: dict[str, Any], render: Callable[[dict], str], form: str) -> None:
    """Prints content as text, or as JSON where the form is "json"."""
    print(json.dumps(content, indent=2) if form == "json" else render(content))


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Returns a line a row, its cells under one another, all rows of equal length."""
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def table(metrics: dict[str, float]) -> str:
    """Returns the metrics of a task as text."""
    from mirasol.evaluation.table import text_report

    return text_report(metrics)


def log_to_terminal() -> None:
    """Has the log of the run appear on stderr."""
    from absl import flags, logging

    flags.FLAGS.mark_as_parsed()  # Ours are, elsewhere; else a line about it comes first.
    logging.use_absl_handler()
    logging.set_verbosity(logging.INFO)
