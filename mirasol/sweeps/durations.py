"""Seconds as people read them."""

from __future__ import annotations


def duration(seconds: float) -> str:
    """Returns seconds as h, min and s, the largest two; hours may be more than 24."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
