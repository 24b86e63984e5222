"""What is wrong with an experiment: every mistake, each with its place, raised all at once."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable


@dataclasses.dataclass(frozen=True)
class Finding:
    """One mistake.

    Attributes:
      place: "FILE line N", or the flag; "" where it is in no one line.
      message: what was got, what is allowed, the nearest name.
    """

    place: str
    message: str

    def __str__(self) -> str:
        return f"{self.place}: {self.message}" if self.place else self.message


class ExperimentError(ValueError):
    """Everything that is wrong with an experiment; the error's own text has a line a finding.

    Attributes:
      findings: in the order of the checks, none twice.
    """

    def __init__(self, findings: Iterable[Finding]):
        self.findings = tuple(dict.fromkeys(findings))
        super().__init__("\n".join(map(str, self.findings)))
