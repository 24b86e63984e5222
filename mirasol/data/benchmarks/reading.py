"""A split of a benchmark as clips with their questions, and the account of what was left out.

    annotation file -> rows -> media found? -> clips, a clip's questions together
                         |          |
                     bad rows   missing media      both counted, named, and skipped or fatal

Whether they are skipped or fatal, MIRASOL_BAD_ROWS and MIRASOL_MISSING_MEDIA say: `skip` (the
default) or `error`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from mirasol.data.benchmarks.benchmark import Benchmark
from mirasol.data.benchmarks.media_folder import MediaFolder, RefusedNameError
from mirasol.data.benchmarks.problems import LINES_KEPT, BadRowError, Policy, Problems
from mirasol.data.benchmarks.report import Report
from mirasol.data.benchmarks.rows import Place, Row
from mirasol.data.references import ClipReference, Question

BAD_ROWS = "MIRASOL_BAD_ROWS"
MISSING_MEDIA = "MIRASOL_MISSING_MEDIA"

Placed = tuple[str, Place, dict[str, Any]]


class MissingMediaError(ValueError):
    """A media file that is not there, where that is fatal, or none at all."""


class SplitReader:
    """Reads a split, again each time that it is iterated over.

    Args:
      benchmark: which set.
      split: its split, or `reported`.
      policy: for what cannot be used, whatever the environment says; None asks the environment.
      kept: so many bad rows and missing files are named in the report.

    Attributes:
      report: of the last reading, complete when that has come to its end.

    Raises:
      AnnotationError: an annotation file is not there.
    """

    def __init__(
        self,
        benchmark: Benchmark,
        split: str,
        policy: Policy | None = None,
        kept: int = LINES_KEPT,
    ) -> None:
        self._policy, self._kept = policy, kept
        self.benchmark = benchmark
        self.split = benchmark.real_split(split)
        benchmark.require_files(self.split)
        self.report = Report()
        self._media = MediaFolder(benchmark.folder)

    def __iter__(self) -> Iterator[ClipReference]:
        """Yields the clips whose media are there, in the order of the file.

        Raises:
          MissingMediaError: a file is missing and MIRASOL_MISSING_MEDIA is `error`, or all are.
          BadRowError: a row is bad and MIRASOL_BAD_ROWS is `error`.
        """
        problems = Problems(self._policy or Policy.from_environment(BAD_ROWS), self._kept)
        self.report = report = Report(bad=problems.lines, kept=self._kept)
        pairs = self._placed(problems, report)
        yielded = 0
        for clip in _gathered(pairs) if self.benchmark.grouped else _in_turn(pairs):
            yielded += 1
            yield clip
        report.rows, report.bad_rows = problems.rows, problems.bad
        if not yielded:
            raise MissingMediaError(
                f"{self.benchmark.name}, split {self.split!r}: no clip can be used in "
                f"{self.benchmark.folder}; the media are {self.benchmark.media}; "
                + ("; ".join(report.lines()) or "the annotation has no rows")
            )

    def _placed(self, problems: Problems, report: Report) -> Iterator[Placed]:
        """Yields (path, place, row) of each question whose media file is there."""
        policy = self._policy or Policy.from_environment(MISSING_MEDIA)
        seen: dict[str, str] | None = {} if self.benchmark.grouped else None
        for row in self.benchmark.read(self.benchmark.folder, self.split, problems):
            try:
                _check(row, seen)
                path, place = self._find(row)
            except (BadRowError, RefusedNameError) as error:
                problems.add(row.origin, str(error))
                continue
            if path:
                yield path, place, row.as_json(self.benchmark.name, self.split)
                continue
            report.add_missing(place.name, row.origin)
            if policy is Policy.ERROR:
                raise MissingMediaError(
                    f"{row.origin}: no media file {place.name} in {self._media.root}"
                )

    def _find(self, row: Row) -> tuple[str, Place]:
        for place in row.places:
            path = self._media.find(place.name)
            if path:
                return path, place
        return "", row.places[0]


def _gathered(pairs: Iterator[Placed]) -> Iterator[ClipReference]:
    clips: dict[tuple[str, float | None, float | None], list[dict[str, Any]]] = {}
    for pair in pairs:
        clips.setdefault(_span(pair), []).append(pair[2])
    for (path, start_s, end_s), rows in clips.items():
        yield _clip(path, start_s, end_s, rows)


def _in_turn(pairs: Iterator[Placed]) -> Iterator[ClipReference]:
    """Gathers only questions that follow one another, so that nothing is kept."""
    for (path, start_s, end_s), members in itertools.groupby(pairs, key=_span):
        yield _clip(path, start_s, end_s, [row for _, _, row in members])


def _span(pair: Placed) -> tuple[str, float | None, float | None]:
    path, place, _ = pair
    return path, place.start_s, place.end_s


def _clip(
    path: str, start_s: float | None, end_s: float | None, rows: list[dict[str, Any]]
) -> ClipReference:
    questions = tuple(Question.from_row(row) for row in rows)
    return ClipReference(path, start_s, end_s, questions, str(rows[0]["origin"]))


def _check(row: Row, seen: dict[str, str] | None) -> None:
    """Raises BadRowError for an id that was seen, and for times that make no clip.

    Args:
      row: of a set.
      seen: origin of each id so far; None for sets too long to keep them.
    """
    first = row.origin if seen is None else seen.setdefault(row.id, row.origin)
    if first != row.origin:
        raise BadRowError(f"its id {row.id!r} stands already in {first}")
    for place in row.places:
        start_s, end_s = place.start_s or 0.0, place.end_s
        if start_s < 0 or (end_s is not None and end_s <= start_s):
            raise BadRowError(f"the clip ends at {end_s:g} s and begins at {start_s:g} s")
