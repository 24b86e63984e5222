"""Bindings as they are written, and the search for those that nothing uses.

WARMUP = 10                      used by the next line
Schedule.warmup = %WARMUP        put out of use by the next line: no mistake
Schedule.warmup = 0
WARMPU = 20                      nothing ever used it: a mistake
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

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
