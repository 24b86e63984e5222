"""Annotation files as records: JSON, JSON lines and csv, in UTF-8.

Rows are counted from 1, the header of a csv left out. A row that cannot be a record is counted
among the problems; a file that cannot be used at all is an error.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from mirasol.data.benchmarks.problems import AnnotationError, Problems
from mirasol.data.benchmarks.records import Record
from mirasol.spelling import nearest

# A file of captions may hold a whole transcript in one field.
_FIELD_CHARACTERS = 16 * 1024 * 1024


def json_file(path: Path) -> Any:
    """Returns the content of a JSON file; AnnotationError if it is not one."""
    try:
        return json.loads(_content(path))
    except (ValueError, RecursionError) as error:
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
            except (ValueError, RecursionError) as error:
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
