"""One row of an annotation, field by field; what is wrong with it is told, not raised further.

    file -> Record(fields, "val_qa.json row 12") -> parse -> Row
                                                 -> Problems: "val_qa.json row 12: lacks 'answer'"

Nothing here guesses: ids and options stay the text that they are, "none" and "NA" included.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from mirasol.data.benchmarks.problems import BadRowError, Problems
from mirasol.spelling import nearest

Parsed = TypeVar("Parsed")


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
