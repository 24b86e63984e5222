"""What an error says about names: which was meant, and which they are where there are many."""

from __future__ import annotations

import difflib
import itertools
import operator
from collections.abc import Iterable, Sequence

_SHOWN = 6  # Names in a line.


def closest(name: str, known: Iterable[str]) -> str:
    """Returns the other known name that looks most like `name`, or "" if none does.

    One that a single slip of the finger makes of it comes first, however short both are.
    """
    others = sorted(set(known) - {name, ""})
    slips = [other for other in others if one_slip(name, other)]
    found = difflib.get_close_matches(name, slips, n=1, cutoff=0.0)
    found = found or difflib.get_close_matches(name, others, n=1)
    found = found or [other for other in others if _plain(other) == _plain(name)]
    return found[0] if found else ""


def one_slip(a: str, b: str) -> bool:
    """Returns whether a letter left out, added or changed, or two swapped, make `b` of `a`."""
    start = _shared(a, b)
    a, b = a[start:], b[start:]
    end = _shared(a[::-1], b[::-1])
    a, b = a[: len(a) - end], b[: len(b) - end]
    return max(len(a), len(b)) <= 1 or (len(a) == 2 and a == b[::-1])


def hint(name: str) -> str:
    """Returns the words that offer `name`, none for ""."""
    return f"; did you mean {name!r}?" if name else ""


def nearest(name: str, known: Iterable[str]) -> str:
    """Returns "; did you mean 'X'?" for the known name closest to `name`, or ""."""
    return hint(closest(name, known))


def some(names: Sequence[str]) -> str:
    """Returns the first names, and how many more there are."""
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _shared(a: str, b: str) -> int:
    """Returns how many letters both begin with."""
    return sum(1 for _ in itertools.takewhile(bool, map(operator.eq, a, b)))


def _plain(name: str) -> str:
    return name.replace("_", "").casefold()
