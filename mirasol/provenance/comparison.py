"""What is different now from when a run was started, line by line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

# Of a record, what can change a result; in the order in which it is told.
_COMPARED = {
    "operative": "configuration",
    "sources": "source file",
    "code": "code",
    "packages": "package",
    "python": "Python",
    "data": "data",
    "warm_start": "warm start",
    "runtime": "runtime",
    "environment": "variable",
    "system": "system",
    "host": "host",
    "cores": "cores",
}
_ABSENT = object()


def changes(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Returns a line for each thing that differs between two records; none for equal ones."""
    lines = []
    for key, title in _COMPARED.items():
        if key not in then:
            lines.append(f"{title}: not recorded then")
            continue
        before, after = dict(_leaves(then[key])), dict(_leaves(now[key]))
        for name in {**before, **after}:
            pair = before.get(name, _ABSENT), after.get(name, _ABSENT)
            if pair[0] != pair[1]:
                lines.append(f"{' '.join([title, name]).strip()}: {_told(*pair)}")
    return lines


def _leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Yields the values of nested mappings by their path; None is nothing."""
    if not isinstance(value, Mapping):
        if value is not None:
            yield name, value
        return
    for key, inner in value.items():
        yield from _leaves(inner, f"{name} {key}".strip())


def _told(before: Any, after: Any) -> str:
    if before is _ABSENT:
        return f"new: {_short(after)}"
    if after is _ABSENT:
        return f"gone, was {_short(before)}"
    return f"{_short(before)} then, {_short(after)} now"


def _short(value: Any) -> str:
    """Returns a value in a few words; of a checksum, the first characters."""
    text = str(value)
    return text if len(text) <= 60 else text[:12] + "..."
