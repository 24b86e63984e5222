"""gin's errors in one line: where, what, and the nearest name that would have been right."""

from __future__ import annotations

import inspect
import re
import sys
import traceback
from collections.abc import Callable, Iterable

from mirasol.spelling import nearest

_LOCATION = re.compile(r'\n  In file "(?P<file>.*)", line (?P<line>\d+)\n')
_NO_LITERAL = re.compile(r"<ast\.\w+ object.*?Failed to parse token '(.*?)'", re.DOTALL)
_CALL = re.compile(r"\n  In call to configurable '(?P<name>.*?)'")


def raised_by_gin(error: BaseException) -> bool:
    """Returns whether gin itself raised `error`, rather than code that gin called."""
    innermost = traceback.extract_tb(error.__traceback__)[-1].filename
    return any(part in innermost.replace("\\", "/") for part in ("/gin/config", "/gin/selector"))


def in_reading(
    error: Exception,
    names: Iterable[str],
    macros: Iterable[str],
    lookup: Callable[[str], Callable | None],
) -> str:
    """Returns what `error`, raised by gin while it reads, says to a person.

    Args:
      error: gin's.
      names: configurables that the files mention.
      macros: macros that the files define.
      lookup: class or function of a configurable's name, None if there is no one such.
    """
    # A KeyError's text is quoted, but one that gin has added a place to keeps no arguments.
    text = str(error.args[0] if isinstance(error, KeyError) and error.args else error)
    place = _LOCATION.search(text)
    where = _where(place["file"], place["line"]) if place else ""
    text = text[: place.start()] if place else text
    if found := re.match(r"No configurable matching (?:reference )?'@?([^'()]*)", text):
        what = f"unknown name {found[1]!r}{nearest(found[1].rpartition('/')[2], names)}"
    elif found := re.match(r"'(.*)' was not provided by an import statement", text):
        what = f"{found[1]!r} is not imported; each file imports what it names"
    elif found := re.match(r"Couldn't resolve selector (\S+); (.*) has no attribute (\w+)", text):
        module = re.match(r"<module '([\w.]+)'", found[2])
        known = dir(sys.modules[module[1]]) if module else []
        what = f"unknown name {found[1]!r}{nearest(found[3], known)}"
    elif found := re.match(r"Configurable '(.*)' doesn't have a parameter named '(.*)'", text):
        target = lookup(found[1])
        known = list(inspect.signature(target).parameters) if target else []
        what = f"{found[1]} has no parameter {found[2]!r}{nearest(found[2], known)}"
    elif found := re.match(r"No bindings specified for '(.*)/gin.macro'", text):
        what = f"the macro {found[1]!r} is used but not defined{nearest(found[1], macros)}"
    else:
        what = " ".join(text.split())
    return where + what


def _where(file: str, line: str) -> str:
    return f"{file}: " if file.startswith("--") else f"{file} line {line}: "


def in_building(error: Exception) -> str:
    """Returns what `error`, raised by a part that gin builds, says, and which part said it."""
    text = str(error)
    call = _CALL.search(text)
    if not call:
        return text
    said, name = text[: call.start()], call["name"]
    return said if said.startswith(name) else f"{name}: {said}"


def in_syntax(error: SyntaxError) -> str:
    """Returns what the parser of gin files found wrong."""
    found = re.search(
        r"<ast\.\w+ object.*?Failed to parse token '(.*?)'", str(error.msg), re.DOTALL
    )
    if found:
        word = found[1]
        literals = {literal.lower(): literal for literal in ("True", "False", "None")}
        right = literals.get(word.lower(), f"'{word}'")
        return f"{word} is no value; did you mean {right}? (in a shell, text wants quotes twice)"
    return f'{" ".join(str(error.msg).split())} (text wants quotes: NAME = "text")'
