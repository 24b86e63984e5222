"""Annotation files as records, each with its origin; what is wrong with a row is told, not raised.

    file -> Record(fields, "val_qa.json row 12") -> parse -> Row
                                                 -> Problems: "val_qa.json row 12: lacks 'answer'"

Rows are counted from 1, the header of a csv left out. Nothing here guesses: ids and options stay
the text that they are, "none" and "NA" included.
"""

from __future__ import annotations

import csv
import enum
import json
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from mirasol.spelling import nearest

Parsed = TypeVar("Parsed")

_LINES_KEPT = 100
# A file of captions may hold a whole transcript in one field.
_FIELD_CHARACTERS = 16 * 1024 * 1024


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
    """Counts the rows that cannot be used, and keeps what is wrong with the first hundred.

    Attributes:
      policy: ERROR raises at the first one.
      rows: rows read, the bad ones included.
      bad: the bad ones.
      lines: "file row n: what is wrong".
    """

    policy: Policy = Policy.SKIP
    rows: int = 0
    bad: int = 0
    lines: list[str] = field(default_factory=list)

    def add(self, origin: str, reason: str) -> None:
        """Counts a bad row; raises BadRowError where the policy says so."""
        line = f"{origin}: {reason}"
        if self.policy is Policy.ERROR:
            raise BadRowError(line)
        self.bad += 1
        if len(self.lines) < _LINES_KEPT:
            self.lines.append(line)


@dataclass(frozen=True)
class Record:
    """One row as it stands in the file.

    Attributes:
      fields: by name.
      origin: file and row.
    """

    fields: Mapping[str, Any]
    origin: str

    def text(self, key: str) -> str:
        """Returns a field's text without outer blanks; BadRowError if it is none or empty."""
        value = self._value(key)
        if not isinstance(value, str):
            raise BadRowError(f"{key!r} is {value!r:.60}, not text")
        if not value.strip():
            raise BadRowError(f"{key!r} is empty")
        return unicode_text(value, key).strip()

    def identifier(self, key: str) -> str:
        """Returns an id as text; whole numbers are ids, too."""
        value = self._value(key)
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        return self.text(key)

    def whole_number(self, key: str) -> int:
        """Returns a whole number, which in a csv is text."""
        value = self.identifier(key)
        try:
            return int(value)
        except ValueError:
            raise BadRowError(f"{key!r} is {value!r:.60}, not a whole number") from None

    def seconds(self, key: str) -> float:
        """Returns a time, s: a number, or "hours:minutes:seconds"."""
        value = self._value(key)
        parts = str(value).split(":")
        try:
            if isinstance(value, bool) or len(parts) > 3:
                raise ValueError
            time_s = sum(float(part) * 60**place for place, part in enumerate(reversed(parts)))
        except ValueError:
            raise BadRowError(f"{key!r} is {value!r:.60}, not a time") from None
        if not math.isfinite(time_s) or time_s < 0:
            raise BadRowError(f"{key!r} is {value!r:.60}; a time is at least 0 s")
        return time_s

    def texts(self, key: str) -> list[str]:
        """Returns a list of texts, also where the file has a single one."""
        value = self._value(key)
        values = value if isinstance(value, list) else [value]
        if not all(isinstance(each, str) for each in values):
            raise BadRowError(f"{key!r} is {value!r:.60}, not a list of texts")
        return [unicode_text(each, key).strip() for each in values if each.strip()]

    def has(self, key: str) -> bool:
        """Says whether the field is there and not empty."""
        return self.fields.get(key) not in (None, "", [])

    def _value(self, key: str) -> Any:
        value = self.fields.get(key)
        if value is None:
            raise BadRowError(f"lacks {key!r}{nearest(key, map(str, self.fields))}")
        return value


def unicode_text(value: str, what: str) -> str:
    """Returns the text; BadRowError if bytes that are no UTF-8 went into it."""
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise BadRowError(f"{what!r} is not UTF-8") from None
    return value


def parsed(
    records: Iterable[Record], parse: Callable[[Record], Parsed], problems: Problems
) -> Iterator[Parsed]:
    """Yields what `parse` makes of each record; the bad ones are counted."""
    for record in records:
        problems.rows += 1
        try:
            row = parse(record)
        except BadRowError as error:
            problems.add(record.origin, str(error))
            continue
        yield row


def json_file(path: Path) -> Any:
    """Returns the content of a JSON file; AnnotationError if it is not one."""
    try:
        return json.loads(_content(path))
    except (json.JSONDecodeError, RecursionError) as error:
        raise AnnotationError(f"{path} is not JSON: {error}") from None


def json_records(path: Path, problems: Problems) -> Iterator[Record]:
    """Yields the objects of a JSON array."""
    content = json_file(path)
    if not isinstance(content, list):
        raise AnnotationError(
            f"{path} must hold a JSON array of rows, not {type(content).__name__}"
        )
    for number, item in enumerate(content, 1):
        yield from _object(item, f"{path.name} row {number}", problems)


def jsonl_records(path: Path, problems: Problems) -> Iterator[Record]:
    """Yields the objects of a file with one JSON object a line; blank lines do not count."""
    with _open(path) as file:
        lines = (line for line in file if line.strip())
        for number, line in enumerate(lines, 1):
            origin = f"{path.name} row {number}"
            try:
                item = json.loads(line)
            except (json.JSONDecodeError, RecursionError) as error:
                problems.rows += 1
                problems.add(origin, f"is not JSON ({error})")
                continue
            yield from _object(item, origin, problems)


def csv_records(
    path: Path, problems: Problems, columns: Sequence[str] | None = None
) -> Iterator[Record]:
    """Yields the rows of a csv file by column name.

    Args:
      path: of the file.
      problems: takes the rows with too few or too many fields.
      columns: names of the columns of a file without a header; None: its first row names them.
    """
    with _open(path) as file:
        csv.field_size_limit(_FIELD_CHARACTERS)
        rows = _csv_rows(csv.reader(file), path, problems)
        names = list(columns) if columns is not None else next(rows, [])
        for number, values in enumerate(rows, 1):
            origin = f"{path.name} row {number}"
            if len(values) != len(names):
                problems.rows += 1
                problems.add(origin, f"has {len(values)} fields, not {len(names)}")
                continue
            yield Record(dict(zip(names, values, strict=True)), origin)


def csv_columns(path: Path) -> list[str]:
    """Returns the first row of a csv file."""
    with _open(path) as file:
        return next(csv.reader(file), [])


def require_columns(path: Path, needed: Iterable[str]) -> None:
    """Raises AnnotationError if the header of a csv file lacks one of the columns."""
    there = csv_columns(path)
    for name in needed:
        if name not in there:
            raise AnnotationError(
                f"{path} has no column {name!r}{nearest(name, there)} (it has: {', '.join(there)})"
            )


def _csv_rows(reader: Any, path: Path, problems: Problems) -> Iterator[list[str]]:
    while True:
        try:
            values = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            problems.rows += 1
            problems.add(f"{path.name} line {reader.line_num}", str(error))
            continue
        if values:  # Blank lines are no rows.
            yield values


def _object(item: Any, origin: str, problems: Problems) -> Iterator[Record]:
    if isinstance(item, dict):
        yield Record(item, origin)
        return
    problems.rows += 1
    problems.add(origin, f"is {item!r:.60}, not an object with named fields")


def _open(path: Path):
    """Opens a text file; bytes that are no UTF-8 survive to be found in the row that has them."""
    with path.open("rb") as file:
        _refuse_utf16(path, file.read(2))
    return path.open(encoding="utf-8-sig", errors="surrogateescape", newline="")


def _content(path: Path) -> str:
    with _open(path) as file:
        return file.read()


def _refuse_utf16(path: Path, head: bytes) -> None:
    if head in (b"\xff\xfe", b"\xfe\xff"):
        raise AnnotationError(f"{path} is UTF-16; save it as UTF-8")
