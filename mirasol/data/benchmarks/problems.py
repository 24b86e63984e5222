"""What is wrong with an annotation: told with file and row, and skipped or fatal."""

from __future__ import annotations

import enum
import os
from dataclasses import dataclass, field

LINES_KEPT = 100
"""What is wrong is kept for so many, and counted beyond."""


class AnnotationError(ValueError):
    """A whole annotation file that cannot be used: absent, not text, not of its format."""


class BadRowError(ValueError):
    """One row that cannot be used; its message says what is wrong."""


class Policy(enum.Enum):
    """What happens to what cannot be used."""

    SKIP = "skip"
    ERROR = "error"

    @classmethod
    def from_environment(cls, variable: str) -> Policy:
        """Returns the policy that an environment variable names; by default SKIP."""
        value = os.environ.get(variable) or cls.SKIP.value
        values = [policy.value for policy in cls]
        if value not in values:
            raise ValueError(f"{variable} is {value!r}; it must be one of {', '.join(values)}")
        return cls(value)


@dataclass
class Problems:
    """Counts the rows that cannot be used, and keeps what is wrong with the first of them.

    Attributes:
      policy: ERROR raises at the first one.
      kept: so many.
      rows: rows read, the bad ones included.
      bad: the bad ones.
      lines: "file row n: what is wrong".
    """

    policy: Policy = Policy.SKIP
    kept: int = LINES_KEPT
    rows: int = 0
    bad: int = 0
    lines: list[str] = field(default_factory=list)

    def add(self, origin: str, reason: str) -> None:
        """Counts a bad row; raises BadRowError where the policy says so."""
        line = f"{origin}: {reason}"
        if self.policy is Policy.ERROR:
            raise BadRowError(line)
        self.bad += 1
        if len(self.lines) < self.kept:
            self.lines.append(line)
