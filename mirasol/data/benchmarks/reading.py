"""A split of a benchmark as clips with their questions, and the account of what was left out.

    annotation file -> rows -> media found? -> clips, a clip's questions together
                         |          |
                     bad rows   missing media      both counted, named, and skipped or fatal

Whether they are skipped or fatal, MIRASOL_BAD_ROWS and MIRASOL_MISSING_MEDIA say: `skip` (the
default) or `error`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mirasol.data.benchmarks.media_folder import MediaFolder, RefusedNameError
from mirasol.data.benchmarks.records import AnnotationError, Policy, Problems
from mirasol.data.benchmarks.rows import Place, Row
from mirasol.data.references import ClipReference, Question
from mirasol.data.root import data_root
from mirasol.spelling import nearest

BAD_ROWS = "MIRASOL_BAD_ROWS"
MISSING_MEDIA = "MIRASOL_MISSING_MEDIA"
REPORTED = "reported"
"""Name of the split that stands for the one on which a set's scores are reported."""

_NAMED = 100

ReadRows = Callable[[Path, str, Problems], Iterator[Row]]


class MissingMediaError(ValueError):
    """A media file that is not there, where that is fatal, or none at all."""


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """A public set: what lies where, and how it is read.

    Attributes:
      name: of the task; its folder is of that name under the data root.
      files: of each split, the annotation files that it needs, as patterns; alternatives are
        separated by "|".
      origin: the project that publishes the files.
      media: what the media files are called, for people.
      read: (folder, split, problems) -> rows.
      reported: the split on which scores are reported; "" for a set that is only trained on.
      grouped: whether all questions about one clip are gathered; else only those that follow one
        another, and the clips are read as they are needed, however long the file is.
      folder_name: where the set shares another's folder.
      locate: returns the set's folder, where that is not below the data root.
      classes: (folder) -> the names of the classes, of a set of classes.
    """

    name: str
    files: Mapping[str, tuple[str, ...]]
    origin: str
    media: str
    read: ReadRows
    reported: str = ""
    grouped: bool = True
    folder_name: str = ""
    locate: Callable[[], Path] | None = None
    classes: Callable[[Path], list[str]] | None = None

    @property
    def folder(self) -> Path:
        """Where the set lies: `MIRASOL_DATA/<name>`."""
        if self.locate is not None:
            return self.locate()
        return data_root() / (self.folder_name or self.name)

    @property
    def splits(self) -> tuple[str, ...]:
        """Names of the splits, with `reported` where there is one."""
        return (*self.files, *([REPORTED] if self.reported else []))

    def real_split(self, split: str) -> str:
        """Returns the split that a name stands for; ValueError names the nearest."""
        split = self.reported if split == REPORTED and self.reported else split
        if split not in self.files:
            raise ValueError(
                f"{self.name} has no split {split!r}{nearest(split, self.splits)} "
                f"(it has: {', '.join(self.splits)})"
            )
        return split

    def require_files(self, split: str) -> None:
        """Raises AnnotationError, in one line, if an annotation file of the split is not there."""
        for alternatives in self.files[split]:
            names = alternatives.split("|")
            if not any(next(self.folder.glob(name), None) for name in names):
                raise AnnotationError(
                    f"{self.name}, split {split!r}: no file {' or '.join(names)} in {self.folder} "
                    f"(MIRASOL_DATA/{self.folder.name}); it comes from {self.origin}; the media "
                    f"are {self.media}, there or in its folder videos"
                )


@dataclass
class Report:
    """What a split holds, and what of it can be used.

    Attributes:
      rows: questions in the annotation.
      bad_rows: of them, rows that cannot be used.
      missing: of them, rows whose media file is not there.
      bad: what is wrong with the first hundred bad rows, with file and row.
      missing_files: the first hundred names that were not found.
    """

    rows: int = 0
    bad_rows: int = 0
    missing: int = 0
    bad: list[str] = field(default_factory=list)
    missing_files: dict[str, None] = field(default_factory=dict)

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


class SplitReader:
    """Reads a split, again each time that it is iterated over.

    Args:
      benchmark: which set.
      split: its split, or `reported`.

    Attributes:
      report: of the last reading, complete when that has come to its end.

    Raises:
      AnnotationError: an annotation file is not there.
    """

    def __init__(self, benchmark: Benchmark, split: str) -> None:
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
        problems = Problems(Policy.from_environment(BAD_ROWS))
        self.report = report = Report(bad=problems.lines)
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

    def _placed(
        self, problems: Problems, report: Report
    ) -> Iterator[tuple[str, Place, dict[str, Any]]]:
        """Yields (path, place, row) of each question whose media file is there."""
        missing_policy = Policy.from_environment(MISSING_MEDIA)
        seen: dict[str, str] = {}
        for row in self.benchmark.read(self.benchmark.folder, self.split, problems):
            wrong = _wrong(row, seen) if self.benchmark.grouped else _wrong_times(row)
            try:
                path, place = ("", row.places[0]) if wrong else self._find(row)
            except RefusedNameError as error:
                path, place, wrong = "", row.places[0], str(error)
            if wrong:
                problems.add(row.origin, wrong)
            elif path:
                yield path, place, row.as_json(self.benchmark.name, self.split)
            else:
                report.missing += 1
                if missing_policy is Policy.ERROR:
                    raise MissingMediaError(
                        f"{row.origin}: no media file {row.places[0].name} in {self._media.root}"
                    )
                if len(report.missing_files) < _NAMED:
                    report.missing_files[row.places[0].name] = None

    def _find(self, row: Row) -> tuple[str, Place]:
        for place in row.places:
            path = self._media.find(place.name)
            if path:
                return path, place
        return "", row.places[0]


def _gathered(pairs: Iterator[tuple[str, Place, dict[str, Any]]]) -> Iterator[ClipReference]:
    clips: dict[tuple[str, float | None, float | None], list[dict[str, Any]]] = {}
    for pair in pairs:
        clips.setdefault(_span(pair), []).append(pair[2])
    for (path, start_s, end_s), rows in clips.items():
        yield _clip(path, start_s, end_s, rows)


def _in_turn(pairs: Iterator[tuple[str, Place, dict[str, Any]]]) -> Iterator[ClipReference]:
    """Gathers only questions that follow one another, so that nothing is kept."""
    for (path, start_s, end_s), members in itertools.groupby(pairs, key=_span):
        yield _clip(path, start_s, end_s, [row for _, _, row in members])


def _span(pair: tuple[str, Place, dict[str, Any]]) -> tuple[str, float | None, float | None]:
    path, place, _ = pair
    return path, place.start_s, place.end_s


def _clip(
    path: str, start_s: float | None, end_s: float | None, rows: list[dict[str, Any]]
) -> ClipReference:
    questions = tuple(Question.from_row(row) for row in rows)
    return ClipReference(path, start_s, end_s, questions, str(rows[0]["origin"]))


def _wrong(row: Row, seen: dict[str, str]) -> str:
    first = seen.setdefault(row.id, row.origin)
    if first != row.origin:
        return f"its id {row.id!r} stands already in {first}"
    return _wrong_times(row)


def _wrong_times(row: Row) -> str:
    for place in row.places:
        start_s, end_s = place.start_s or 0.0, place.end_s
        if start_s < 0 or (end_s is not None and end_s <= start_s):
            return f"the clip ends at {end_s:g} s and begins at {start_s:g} s"
    return ""


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:3])
    return shown + (", ..." if len(names) > 3 else "")
