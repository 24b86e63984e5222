"""The account of a split: how many questions it has, and how many of them cannot be asked."""

from __future__ import annotations

from dataclasses import dataclass, field

from mirasol.data.benchmarks.problems import LINES_KEPT


@dataclass
class Report:
    """What a split holds, and what of it can be used.

    Attributes:
      rows: questions in the annotation.
      bad_rows: of them, rows that cannot be used.
      missing: of them, rows whose media file is not there.
      bad: what is wrong with the first bad rows, with file and row.
      missing_files: the first names that were not found, and the row that first names each.
      kept: so many of each.
    """

    rows: int = 0
    bad_rows: int = 0
    missing: int = 0
    bad: list[str] = field(default_factory=list)
    missing_files: dict[str, str] = field(default_factory=dict)
    kept: int = LINES_KEPT

    def add_missing(self, name: str, origin: str) -> None:
        """Counts a question whose media file is not there."""
        self.missing += 1
        if len(self.missing_files) < self.kept:
            self.missing_files.setdefault(name, origin)

    def lines(self) -> list[str]:
        """Returns the account for a log: nothing where everything can be used."""
        found = []
        if self.bad_rows:
            found.append(f"{self.bad_rows} of {self.rows} rows cannot be used: {_some(self.bad)}")
        if self.missing:
            found.append(
                f"{self.missing} of {self.rows} rows have no media file: "
                f"{_some(list(self.missing_files))}"
            )
        return found


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:3])
    return shown + (", ..." if len(names) > 3 else "")
