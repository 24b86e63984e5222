"""How a sweep stands: a table that redraws itself in a terminal, a line a change elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from mirasol.sweeps.plan import told
from mirasol.sweeps.records import TrialRecord
from mirasol.sweeps.scores import newest

_COLOURS = {
    "pending": "dim",
    "running": "cyan",
    "done": "green",
    "failed": "bold red",
    "stopped": "yellow",
}


class Lines:
    """For logs: a line whenever a trial's state changes.

    Args:
      metric: "task/metric" that is told of a trial that is done.
    """

    def __init__(self, metric: str):
        self._metric = metric
        self._last: dict[str, tuple[str, int]] = {}

    def __enter__(self) -> Lines:
        return self

    def __exit__(self, *_: object) -> None:
        """Leaves nothing open."""

    def show(self, records: Sequence[TrialRecord], folders: Sequence[Path]) -> None:
        """Prints what is new."""
        ended = sum(record.state in ("done", "stopped") for record in records)
        for record, folder in zip(records, folders, strict=True):
            now = (record.state, record.attempts)
            if self._last.get(record.id, ("pending", 0)) != now:
                words = " ".join(filter(None, row(record, folder, self._metric)))
                print(f"[{ended}/{len(records)}] {words}", flush=True)
            self._last[record.id] = now


class Live:
    """For terminals.

    Args:
      metric: "task/metric" in the last column.
    """

    def __init__(self, metric: str):
        from rich.live import Live as RichLive

        self._metric = metric
        self._live = RichLive(refresh_per_second=2)

    def __enter__(self) -> Live:
        self._live.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.__exit__(kind, error, trace)

    def show(self, records: Sequence[TrialRecord], folders: Sequence[Path]) -> None:
        """Redraws the table."""
        self._live.update(_table(records, folders, self._metric))


def screen(metric: str) -> Lines | Live:
    """Returns what suits stdout; without rich, lines."""
    if not sys.stdout.isatty():
        return Lines(metric)
    try:
        return Live(metric)
    except ModuleNotFoundError:
        return Lines(metric)


def row(record: TrialRecord, folder: Path, metric: str) -> list[str]:
    """Returns a trial in words: id, variant, seed, state, how far, time, metric or reason."""
    step, values = newest(folder / "workdir")
    value = values.get(metric)
    shown = f"{metric.rpartition('/')[2]} {value:.4f}" if value is not None else ""
    return [
        record.id,
        told(record.labels),
        f"seed {record.seed}",
        _state(record),
        f"step {step}/{record.steps}",
        _took(record),
        record.reason or shown,
    ]


def _state(record: TrialRecord) -> str:
    attempt = f" (attempt {record.attempts})" if record.attempts > 1 else ""
    return f"{record.state}{f' by {record.taken_from}' if record.taken_from else attempt}"


def _took(record: TrialRecord) -> str:
    if not record.seconds:
        return ""
    return f"{'at least ' if record.seconds_incomplete else ''}{record.seconds:.0f} s"


def _table(records: Sequence[TrialRecord], folders: Sequence[Path], metric: str) -> Any:
    from rich.table import Table
    from rich.text import Text

    states = [record.state for record in records]
    counts = ", ".join(f"{states.count(each)} {each}" for each in _COLOURS if each in states)
    table = Table(title=counts)
    for name in ("trial", "variant", "seed", "state", "progress", "time", metric):
        table.add_column(name)
    for record, folder in zip(records, folders, strict=True):
        # As Text: a label or a reason may hold brackets, which are markup otherwise.
        cells = map(Text, row(record, folder, metric))
        table.add_row(*cells, style=_COLOURS[record.state])
    return table
