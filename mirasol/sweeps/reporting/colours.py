"""How a variant is told apart: by colour, by marker and by line, so that none is needed alone.

The colours are Okabe and Ito's, for all kinds of colour vision, but for their black and their
yellow, which one of the two grounds, light and dark, would swallow.
"""

from __future__ import annotations

import dataclasses

_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
_LINES = ("-", "--", "-.", ":")

# Of what is drawn besides; the page puts its own in their place, light or dark.
INK, FAINT, RULE, PAPER = "#1f2328", "#656d76", "#d0d7de", "#ffffff"
PAGE_COLOURS = {
    INK: "var(--ink)",
    FAINT: "var(--faint)",
    RULE: "var(--rule)",
    PAPER: "var(--paper)",
}


@dataclasses.dataclass(frozen=True)
class Look:
    """How one variant is drawn."""

    colour: str
    marker: str
    line: str


def look(place: int) -> Look:
    """Returns the look of the variant at a place; 84 differ."""
    return Look(
        _COLOURS[place % len(_COLOURS)],
        _MARKERS[place % len(_MARKERS)],
        _LINES[place % len(_LINES)],
    )
