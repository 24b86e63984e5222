"""Bindings by the full names of what they bind, with the place that each value comes from.

models/mirasol.gin line 31     TransformerCombiner.heads = %HEADS
models/mirasol_tiny.gin line 9 HEADS = 4                            <- the source of the value
"""

from __future__ import annotations

import dataclasses
from typing import Any

from mirasol.statements import Statement
from mirasol.wiring import MACRO, Key, Part, Reference, Wiring


@dataclasses.dataclass
class Bound:
    """Bindings with every name resolved.

    Attributes:
      declared: key -> parameter -> value; the last to bind a name wins.
      statements: (key, parameter) -> the statement of that value.
      every: all of them in order, those that later ones undo, too.
      loose: values of bindings whose name nobody knows: what they refer to is used all the same.
    """

    declared: dict[Key, dict[str, Any]] = dataclasses.field(default_factory=dict)
    statements: dict[tuple[Key, str], Statement] = dataclasses.field(default_factory=dict)
    every: list[tuple[tuple[Key, str], Any, Statement]] = dataclasses.field(default_factory=list)
    loose: list[Any] = dataclasses.field(default_factory=list)

    def add(self, key: Key, parameter: str, value: Any, statement: Statement) -> None:
        """Binds a parameter; what bound it before is undone."""
        self.declared.setdefault(key, {})[parameter] = value
        self.statements[key, parameter] = statement
        self.every.append(((key, parameter), value, statement))

    def place(self, key: Key, parameter: str) -> str:
        """Returns where the parameter has its value from, "" for a default."""
        statement = self.statements.get((key, parameter))
        return statement.place if statement else ""

    def source(self, wiring: Wiring, part: Part, parameter: str) -> Statement:
        """Returns what gives a bound parameter its value: the macro's statement, where it is one.

        A macro that stands for another one has its value from that.
        """
        bound_name = (part.origin[parameter], parameter)
        passed = {bound_name}
        while name := self._macro(wiring, bound_name):
            bound_name = ((name, MACRO), "value")
            if bound_name in passed:  # It stands for itself.
                break
            passed.add(bound_name)
        return self.statements[bound_name]

    def written(self, wiring: Wiring, part: Part, parameter: str) -> str:
        """Returns the place of what gives a parameter its value, "" for a default."""
        return self.source(wiring, part, parameter).place if parameter in part.origin else ""

    def order(self, statement: Statement) -> int:
        """Returns how many bindings were read before it."""
        return next(i for i, (_, _, each) in enumerate(self.every) if each is statement)

    def _macro(self, wiring: Wiring, bound_name: tuple[Key, str]) -> str | None:
        """Returns the name of the macro that the value is, None where it is none, or unknown."""
        key, parameter = bound_name
        value = self.declared[key][parameter]
        is_macro = isinstance(value, Reference) and value.is_macro
        return wiring.macro(value) if is_macro else None
