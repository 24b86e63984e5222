"""What several commands print alike."""

from __future__ import annotations

import json
import logging as standard_logging
from collections.abc import Callable, Sequence
from typing import Any

from mirasol.launched import launch


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


class _OfProcess(standard_logging.Formatter):
    """Says which process a line is of, and what it warns of.

    Args:
      rank: of the process.
    """

    def __init__(self, rank: int):
        super().__init__(f"process {rank}: %(levelname)s: %(message)s")


def log_to_terminal() -> None:
    """Has the log of the run appear on stderr; of several processes the first tells most."""
    from absl import flags, logging

    flags.FLAGS.mark_as_parsed()  # Ours are, elsewhere; else a line about it comes first.
    logging.use_absl_handler()
    logging.set_verbosity(logging.INFO)
    here = launch()
    if not here.leads:  # What is not the same in all processes.
        logging.set_verbosity(logging.WARNING)
        logging.get_absl_handler().setFormatter(_OfProcess(here.rank))
