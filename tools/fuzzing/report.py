"""What became of all slips, as tables: for each way to slip and for each file."""

from __future__ import annotations

import collections
import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from fuzzing.bench import ACCEPTED, CRASHED, OUTCOMES, REJECTED, Verdict

ENOUGH_RIGHT = 0.95


@dataclasses.dataclass(frozen=True)
class Report:
    """Verdicts, and how they were come by.

    Attributes:
      verdicts: on each slip tried.
      how: name -> value: seed, sample, seconds, and so on.
    """

    verdicts: Sequence[Verdict]
    how: Mapping[str, Any]

    @property
    def passed(self) -> bool:
        """Whether no slip passed or crashed, and enough were told the right name first."""
        bad = any(each.outcome in (ACCEPTED, CRASHED) for each in self.verdicts)
        return not bad and share_right(self.verdicts) >= ENOUGH_RIGHT

    def as_json(self) -> dict[str, Any]:
        """Returns everything, with each slip that was not rejected with the right name first."""
        return {
            "passed": self.passed,
            "how": dict(self.how),
            "all": counts(self.verdicts),
            "kinds": {kind: counts(mine) for kind, mine in self._by(lambda slip: slip.kind)},
            "files": {file: counts(mine) for file, mine in self._by(lambda slip: slip.file)},
            "wrong": [_as_json(each) for each in self._wrong()],
            "another_name": [_as_json(each) for each in self._astray()],
        }

    def as_markdown(self, listed: int = 100) -> str:
        """Returns tables, and at most so many of the slips that were told another name."""
        wrong, astray = self._wrong(), self._astray()
        parts = [
            "# Slips in the shipped gin files",
            ", ".join(f"{name} {value}" for name, value in self.how.items()),
            self.table(),
            _table("file", self._by(lambda slip: slip.file)),
            f"## Accepted or crashed: {len(wrong)}",
            "\n".join(map(_line, wrong)),
            f"## Told another name first, or none: {len(astray)}",
            "\n".join(map(_line, astray[:listed])),
        ]
        return "\n\n".join(part for part in parts if part) + "\n"

    def table(self) -> str:
        """Returns the counts for each way to slip, and of all."""
        return _table("slip", [*self._by(lambda slip: slip.kind), ("all", list(self.verdicts))])

    def write(self, folder: Path) -> None:
        """Writes `fuzz_gin.json` and `fuzz_gin.md`."""
        folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(self.as_json(), indent=1)
        (folder / "fuzz_gin.json").write_text(f"{text}\n", encoding="utf-8")
        (folder / "fuzz_gin.md").write_text(self.as_markdown(), encoding="utf-8")

    def _by(self, key: Callable[[Any], str]) -> list[tuple[str, list[Verdict]]]:
        groups: dict[str, list[Verdict]] = {}
        for each in self.verdicts:
            groups.setdefault(key(each.slip), []).append(each)
        return sorted(groups.items())

    def _wrong(self) -> list[Verdict]:
        return [each for each in self.verdicts if each.outcome in (ACCEPTED, CRASHED)]

    def _astray(self) -> list[Verdict]:
        return [each for each in self.verdicts if each.outcome == REJECTED and not each.right]


def share_right(verdicts: Sequence[Verdict]) -> float:
    """Returns the share of the rejected that were told the right name first; 1 if none was."""
    rejected = [verdict for verdict in verdicts if verdict.outcome == REJECTED]
    return sum(verdict.right for verdict in rejected) / len(rejected) if rejected else 1.0


def counts(verdicts: Sequence[Verdict]) -> dict[str, float]:
    """Returns how many slips there were, how many of each outcome, and the share told right."""
    found = collections.Counter(each.outcome for each in verdicts)
    outcomes = {outcome: found[outcome] for outcome in OUTCOMES}
    return {"slips": len(verdicts)} | outcomes | {"right name first": share_right(verdicts)}


def _table(title: str, groups: Sequence[tuple[str, list[Verdict]]]) -> str:
    heads = list(counts([]))
    lines = [f"| {title} | {' | '.join(heads)} |", f"| --- |{' ---: |' * len(heads)}"]
    for name, verdicts in groups:
        *numbers, share = counts(verdicts).values()
        lines.append(f"| {name} | {' | '.join(map(str, numbers))} | {share:.1%} |")
    return "\n".join(lines)


def _as_json(verdict: Verdict) -> dict[str, Any]:
    slip = verdict.slip
    return {
        "file": slip.file,
        "line": slip.name.line,
        "name": slip.name.text,
        "wrong": slip.wrong,
        "outcome": verdict.outcome,
        "said": verdict.said,
    }


def _line(verdict: Verdict) -> str:
    slip = verdict.slip
    where = f"{slip.file} line {slip.name.line}: {slip.name.text!r} as {slip.wrong!r}"
    return f"- {verdict.outcome}: {where}. {' '.join(verdict.said.split())}".rstrip()
