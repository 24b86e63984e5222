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
    """Where a process does not speak for all, says which one a line is of, and what it warns of.

    Args:
      plain: formats lines of the process that leads.
    """

    def __init__(self, plain: standard_logging.Formatter):
        super().__init__()
        self._plain = plain

    def format(self, record: standard_logging.LogRecord) -> str:
        """Returns the line."""
        here = launch()
        if here.leads:
            return self._plain.format(record)
        form = f"process {here.rank}: %(levelname)s: %(message)s"
        return standard_logging.Formatter(form).format(record)


def _is_heard(record: standard_logging.LogRecord) -> bool:
    """Returns whether a line appears: of processes that do not lead only what is not alike in all.

    Asked for each line: which process this is may be known only when the runtime has opened.
    """
    return launch().leads or record.levelno >= standard_logging.WARNING


def log_to_terminal() -> None:
    """Has the log of the run appear on stderr; of several processes the first tells most."""
    from absl import flags, logging

    flags.FLAGS.mark_as_parsed()  # Ours are, elsewhere; else a line about it comes first.
    logging.use_absl_handler()
    logging.set_verbosity(logging.INFO)
    handler = logging.get_absl_handler()
    handler.addFilter(_is_heard)
    handler.setFormatter(_OfProcess(logging.PythonFormatter()))
