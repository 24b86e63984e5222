"""Errors that gin hands on, in one line: where, what, and which part said it."""

from __future__ import annotations

import re
import traceback

from mirasol.findings import Finding

_LOCATION = re.compile(r'\n  In file "(?P<file>.*)", line (?P<line>\d+)\n')
_CALL = re.compile(r"\n  In call to configurable '(?P<name>.*?)'")


def raised_by_gin(error: BaseException) -> bool:
    """Returns whether gin itself raised `error`, rather than code that gin called."""
    innermost = traceback.extract_tb(error.__traceback__)[-1].filename
    return any(part in innermost.replace("\\", "/") for part in ("/gin/config", "/gin/selector"))


def in_reading(error: Exception) -> Finding:
    """Returns what `error`, raised by gin while it reads, says to a person."""
    # A KeyError's text is quoted, but one that gin has added a place to keeps no arguments.
    text = str(error.args[0] if isinstance(error, KeyError) and error.args else error)
    place = _LOCATION.search(text)
    if not place:
        return Finding("", " ".join(text.split()))
    file = place["file"]
    where = file if file.startswith("--") else f"{file} line {place['line']}"
    return Finding(where, " ".join(text[: place.start()].split()))


def in_building(error: Exception) -> str:
    """Returns what `error`, raised by a part that gin builds, says, and which part said it."""
    text = str(error)
    call = _CALL.search(text)
    if not call:
        return text
    said, name = text[: call.start()], call["name"]
    return said if said.startswith(name) else f"{name}: {said}"
