"""What an error says about a name that nobody knows."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def closest(name: str, known: Iterable[str]) -> str:
    """Returns the other known name that looks most like `name`, or "" if none does."""
    found = difflib.get_close_matches(name, sorted(set(known) - {name}), n=1)
    return found[0] if found else ""


def hint(name: str) -> str:
    """Returns the words that offer `name`, none for ""."""
    return f"; did you mean {name!r}?" if name else ""


def nearest(name: str, known: Iterable[str]) -> str:
    """Returns "; did you mean 'X'?" for the known name closest to `name`, or ""."""
    return hint(closest(name, known))
