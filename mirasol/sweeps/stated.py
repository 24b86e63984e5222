"""What a trial's gin text binds, defaults and modules left out: what people asked for.

    text         Mirasol.width = 96                         equal: the same was asked for
    operative    Mirasol.width = 96, Mirasol.depth = 2      differs: a default has changed

A meaning holds every default, so it changes with the code. Text changes only with what is bound.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

from mirasol import gin_syntax
from mirasol.wiring import MACRO, Reference, replace_leaves, short


@dataclasses.dataclass(frozen=True)
class Stated:
    """What a gin text binds.

    Attributes:
      bound: (scope/Class.parameter, value as text), sorted.
      modules: that the text imports.
    """

    bound: tuple[tuple[str, str], ...]
    modules: frozenset[str]


@functools.lru_cache(maxsize=1024)  # Each trial is compared with each that is there.
def read(text: str) -> Stated:
    """Returns what a gin text binds."""
    parsed = gin_syntax.read(text)
    bound = sorted((_title(each), repr(_plain(each.value))) for each in parsed.bindings)
    return Stated(tuple(bound), frozenset(each.module for each in parsed.imports))


def differing(then: str, now: str) -> list[str]:
    """Returns what two texts bind differently, or one of them alone."""
    pairs = {*read(then).bound} ^ {*read(now).bound}
    return sorted({name for name, _ in pairs})


def _title(binding: gin_syntax.Binding) -> str:
    name = short((binding.scope, binding.selector))
    return name if binding.selector == MACRO else f"{name}.{binding.parameter}"


def _plain(value: Any) -> Any:
    def leaf(inner: Any) -> Any:
        if not isinstance(inner, Reference) or inner.is_macro:
            return inner
        return dataclasses.replace(inner, name=inner.name.rpartition(".")[2])

    return replace_leaves(leaf, value)
