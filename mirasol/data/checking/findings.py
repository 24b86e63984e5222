"""What a check found in one split, as numbers and as text."""

from __future__ import annotations

import json
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from mirasol.data.benchmarks.report import Report
from mirasol.data.checking.probe import Probe
from mirasol.data.checking.tally import Tally

_MOST_FREQUENT = 5
_COLUMNS = ("rows", "found", "missing", "refused", "clips", "probed", "unreadable")


@dataclass(frozen=True)
class Findings:
    """What a check found in one split.

    Attributes:
      task, split: which.
      error: why the annotation could not be read to its end; "" where it could.
      report: rows, and those that cannot be used.
      tally: what was counted of the rest.
      probes: what is known of the sampled clips.
    """

    task: str
    split: str
    error: str
    report: Report
    tally: Tally
    probes: Sequence[Probe]

    @property
    def unreadable(self) -> list[Probe]:
        """Those of the sampled clips that cannot be used."""
        return [each for each in self.probes if each.error]

    @property
    def readable(self) -> list[Probe]:
        """The other ones."""
        return [each for each in self.probes if not each.error]

    @property
    def usable(self) -> bool:
        """Whether there is a clip that can be used, as far as was looked."""
        return bool(self.tally.clips) and (not self.probes or bool(self.readable))

    @property
    def flawless(self) -> bool:
        """Whether nothing is wrong, as far as was looked."""
        report = self.report
        return not (self.error or report.missing or report.bad_rows or self.unreadable)

    def counts(self) -> dict[str, int]:
        """Returns the numbers of the table: questions, then clips."""
        return {
            "rows": self.report.rows,
            "found": self.tally.questions,
            "missing": self.report.missing,
            "refused": self.report.bad_rows,
            "clips": self.tally.clips,
            "probed": len(self.probes),
            "unreadable": len(self.unreadable),
        }

    def as_json(self) -> dict[str, Any]:
        """Returns everything as JSON takes it."""
        return {
            "task": self.task,
            "split": self.split,
            "error": self.error,
            **self.counts(),
            "length_s": self._lengths(),
            "with_sound": sum(each.sound for each in self.readable),
            "without_sound": sum(not each.sound for each in self.readable),
            "pictures": dict(self._pictures().most_common()),
            "without_pictures": sum(not each.size for each in self.readable),
            "answers": {
                "distinct": len(self.tally.answers),
                "unanswered": self.tally.unanswered,
                "most_frequent": dict(self.tally.answers.most_common(_MOST_FREQUENT)),
                "length": self.tally.responses.as_json(),
            },
            "question_length": self.tally.prompts.as_json(),
            "refused_rows": self.report.bad,
            "missing_files": list(self.report.missing_files),
            "unreadable_files": {each.media: each.error for each in self.unreadable},
        }

    def lines(self, told: set[str]) -> Iterator[str]:
        """Yields the account for people, without what the table says.

        Args:
          told: faults that another split has told; grows by this one's. A row of every split, as of
            a manifest without splits, would be told once for each.
        """
        if self.error:
            yield f"error      {self.error}"
        if self.readable:
            yield from self._media_lines()
        if self.tally.questions:
            yield from self._text_lines()
        missing = [f"{row}: {name}" for name, row in self.report.missing_files.items()]
        unreadable = [
            f"{clip.origin}: {each.media}: {each.error}"
            for clip, each in zip(self.tally.sample, self.probes, strict=True)
            if each.error
        ]
        yield from _listed("refused", self.report.bad, self.report.kept, told)
        yield from _listed("missing", missing, self.report.kept, told)
        yield from _listed("unreadable", unreadable, self.report.kept, told)

    def _media_lines(self) -> Iterator[str]:
        found = self.as_json()
        least, median, greatest = found["length_s"]
        yield f"length     {least:.4g} to {greatest:.4g} s, median {median:.4g} s"
        yield f"sound      {found['with_sound']} with, {found['without_sound']} without"
        sizes = ", ".join(f"{size} px ({count})" for size, count in found["pictures"].items())
        yield f"pictures   {sizes or 'none'}; {found['without_pictures']} without"

    def _text_lines(self) -> Iterator[str]:
        tally = self.tally
        answered = max(1, tally.questions - tally.unanswered)
        frequent = ", ".join(
            f"{text!r:.40} {count / answered:.1%}"
            for text, count in tally.answers.most_common(_MOST_FREQUENT)
        )
        hidden = f"; {tally.unanswered} questions without an answer" if tally.unanswered else ""
        yield f"answers    {len(tally.answers)} distinct: {frequent or 'none'}{hidden}"
        for name, lengths in (("answer", tally.responses), ("question", tally.prompts)):
            found = lengths.as_json()
            limit = "" if lengths.limit is None else f"; {lengths.longer} above {lengths.limit}"
            yield (
                f"{name:<11}{lengths.unit}: median {found['median']}, longest "
                f"{found['longest']}{limit}"
            )

    def _lengths(self) -> list[float]:
        lengths = [each.length_s for each in self.readable] or [0.0]
        return [min(lengths), statistics.median(lengths), max(lengths)]

    def _pictures(self) -> Counter[str]:
        return Counter(each.size for each in self.readable if each.size)


def table(found: Sequence[Findings]) -> str:
    """Returns the numbers of all splits, a line each."""
    rows = [["task", "split", *_COLUMNS]]
    rows += [[each.task, each.split, *map(str, map(each.counts().get, _COLUMNS))] for each in found]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [
            cell.ljust(width) if place < 2 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def text(found: Sequence[Findings]) -> str:
    """Returns the table, and below it the account of each split."""
    parts = [table(found)]
    told: dict[str, set[str]] = defaultdict(set)
    for each in found:
        lines = each.lines(told[each.task])
        parts.append("\n".join([f"{each.task}, {each.split}", *(f"  {line}" for line in lines)]))
    return "\n\n".join(parts)


def as_json(found: Sequence[Findings]) -> str:
    """Returns all splits as a JSON array."""
    return json.dumps([each.as_json() for each in found], indent=2, ensure_ascii=False)


def _listed(title: str, lines: Sequence[str], kept: int, told: set[str]) -> Iterator[str]:
    new = [line for line in lines[:kept] if line not in told]
    told.update(lines)
    if lines:
        yield title if new else f"{title:<10} as told above"
        yield from (f"  {line}" for line in new)
    if len(lines) >= kept:
        yield "  and perhaps more: --list_all"
