"""Bindings as they are written, and the search for those that nothing uses.

WARMUP = 10                      used by the next line
Schedule.warmup = %WARMUP        put out of use by the next line: no mistake
Schedule.warmup = 0
WARMPU = 20                      nothing ever used it: a mistake
"""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TextIO

from mirasol.gin_files import find
from mirasol.spelling import nearest
from mirasol.wiring import MACRO, Key, Reference, Wiring, short

Written = tuple[str, str, str]  # scope, configurable without its module, parameter


@dataclasses.dataclass(frozen=True)
class Statement:
    """A binding as it is written.

    Attributes:
      key: what is bound; a macro is (its name, MACRO, "value").
      references: those in the value, by their bare names.
      place: file and line, or flag.
    """

    key: Written
    references: tuple[Reference, ...]
    place: str


@dataclasses.dataclass(frozen=True)
class Item:
    """What one line of a file does: bind, or include."""

    line: int
    include: str | None = None
    binds: Written = ("", "", "")
    references: tuple[Reference, ...] = ()


class ItemError(ValueError):
    """A line that is no gin."""

    def __init__(self, line: int, reason: str):
        super().__init__(reason)
        self.line = line


class Reader:
    """Reads files and flags, included files first, as gin does.

    Args:
      items: yields what a text states; raises ItemError.

    Attributes:
      statements: every binding read.
      texts: what gin shall parse, `include` lines blank: where files lie is decided here alone.
        gin's own search would report as an error every folder that lacks the file.
    """

    def __init__(self, items: Callable[[str], Iterable[Item]]):
        self._items = items
        self.statements: list[Statement] = []
        self.texts: list[TextIO] = []

    def read_file(self, path: Path, within: tuple[Path, ...] = ()) -> None:
        """Reads a file and what it includes.

        Raises:
          ValueError: no such file, no gin, a name bound twice, or a binding above an include.
        """
        if path in within:
            raise ValueError(f"{path} includes itself, by way of {within[-1]}")
        lines = path.read_text(encoding="utf-8").splitlines()
        includes, bindings = self._sort("\n".join(lines), lambda line: f"{path} line {line}")
        for item in includes:
            self.read_file(find(str(item.include)), (*within, path))
            lines[item.line - 1] = ""
        self.statements += bindings
        self._add_text("\n".join(lines), str(path))

    def read_flag(self, binding: str) -> None:
        """Reads "NAME = VALUE".

        Raises:
          ValueError: no gin.
        """
        place = "--gin." + binding.partition("=")[0].strip()
        self.statements += self._sort(binding, lambda _: place)[1]
        self._add_text(binding, place)

    def _sort(self, text: str, place: Callable[[int], str]) -> tuple[list[Item], list[Statement]]:
        includes: list[Item] = []
        bindings: dict[Written, Statement] = {}
        try:
            for item in self._items(text):
                here, before = place(item.line), bindings.get(item.binds)
                if item.include and bindings:
                    raise ValueError(f"{here}: what is bound above an include is lost; move it up")
                if item.include:
                    includes.append(item)
                elif before:
                    raise ValueError(f"{here}: bound before, in {before.place}; one is lost")
                else:
                    bindings[item.binds] = Statement(item.binds, item.references, here)
        except ItemError as error:
            raise ValueError(f"{place(error.line)}: {error}") from error
        return includes, list(bindings.values())

    def _add_text(self, text: str, name: str) -> None:
        file = io.StringIO(text)
        file.name = name  # For the places in gin's errors.
        self.texts.append(file)


def names(statements: Sequence[Statement]) -> set[str]:
    """Returns the configurables that the statements mention, without their modules."""
    mentioned = {reference.name for item in statements for reference in item.references}
    return (mentioned | {item.key[1] for item in statements}) - {MACRO}


def macros(statements: Sequence[Statement]) -> set[str]:
    """Returns the macros that the statements define."""
    return {item.key[0] for item in statements if item.key[1] == MACRO}


def check_used(wiring: Wiring, statements: Sequence[Statement]) -> None:
    """Raises ValueError for the first binding that nothing uses.

    What a later binding has put out of use is no mistake: an ablation that swaps a part leaves
    the old part's bindings behind. So a part that any binding ever led to counts as used.
    """
    last = {statement.key: statement for statement in statements}
    overridden = [item for item in statements if last[item.key] is not item]
    swapped = {
        "/".join(reference.scope) if reference.is_macro else reference.name
        for item in overridden
        for reference in item.references
    }
    former = [
        Reference(tuple(filter(None, scope.split("/"))), name, object, True)
        for scope, name in wiring.unused()
        if (scope if name == MACRO else _bare(name)) in swapped
    ]
    formerly_used = Wiring(former, wiring.declared).used
    for key in wiring.unused():
        if key not in formerly_used:
            raise ValueError(_message(key, wiring, last))


def _bare(name: str) -> str:
    return name if name == MACRO else name.rpartition(".")[2]


def _message(key: Key, wiring: Wiring, last: dict[Written, Statement]) -> str:
    scope, name = key
    parameter = next(iter(wiring.declared[key]))
    statement = last.get((scope, _bare(name), parameter))
    place = f"{statement.place}: " if statement else ""
    alike = [short(used) for used in wiring.used if (used[1] == MACRO) == (name == MACRO)]
    title = short(key)
    what = f"the macro {title!r}" if name == MACRO else f"{title}.{parameter}"
    return f"{place}nothing uses {what}{nearest(title, alike)}"
