"""What a set of bindings amounts to: the parts that a root leads to, and the bindings they use.

    Experiment.model = @Mirasol      ->  part Mirasol, built later
    Mirasol.combiner = @Combiner()   ->  part Combiner
    Combiner.width = %WIDTH          ->  part WIDTH, a macro
    WIDHT = 512                      ->  nothing leads here: a mistake

A part is a configurable under a scope; it takes the bindings of that scope and of every outer
one. A reference without a scope keeps that of the part which holds it, one with a scope replaces
it: gin's own rule.
"""

from __future__ import annotations

import ast
import dataclasses
import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any

MACRO = "gin.macro"


class _Unknown:
    def __repr__(self) -> str:
        return "?"


UNKNOWN = _Unknown()
"""Stands for a value that is known to be wrong already: every later check lets it pass."""

Scope = tuple[str, ...]
Key = tuple[str, str]  # (scope "a/b", configurable "module.Class")
Declared = Mapping[Key, Mapping[str, Any]]  # key -> parameter -> value


@dataclasses.dataclass(frozen=True, repr=False)
class Reference:
    """A value that stands for a part: `@scope/Class`, `@scope/Class()` or `%MACRO`."""

    scope: Scope
    name: str
    target: Callable[..., Any]
    called: bool

    @property
    def is_macro(self) -> bool:
        """Whether this is `%NAME`."""
        return self.name == MACRO

    def __repr__(self) -> str:
        if self.is_macro:
            return "%" + "/".join(self.scope)
        return f"@{'/'.join([*self.scope, self.name])}{'()' if self.called else ''}"


@dataclasses.dataclass
class Part:
    """A configurable under a scope, and where each of its bound parameters is bound."""

    reference: Reference
    scope: Scope
    called: bool
    origin: dict[str, Key]

    @property
    def title(self) -> str:
        """The part's name as a gin file would write it, its module left out."""
        return short(("/".join(self.scope), self.reference.name))


class Wiring:
    """The parts that can be reached from a root.

    Args:
      roots: where to begin.
      declared: every binding.

    Attributes:
      parts: (scope, configurable) -> Part, macros included.
      reached: keys of `declared` that hold for some part.
      used: (key, parameter) of those that some part takes; a narrower scope may hide the others.
    """

    def __init__(self, roots: list[Reference], declared: Declared):
        self.declared = declared
        self.parts: dict[tuple[Scope, str], Part] = {}
        self.reached: set[Key] = set()
        self.used: set[tuple[Key, str]] = set()
        for root in roots:
            self._visit(root, ())

    def _visit(self, reference: Reference, scope: Scope) -> None:
        scope = reference.scope or scope
        known = self.parts.get((scope, reference.name))
        if known:
            known.called |= reference.called
            return
        origin: dict[str, Key] = {}
        for outer in range(len(scope) + 1):
            key = ("/".join(scope[:outer]), reference.name)
            if key in self.declared:
                self.reached.add(key)
                origin.update(dict.fromkeys(self.declared[key], key))
        self.used.update((key, parameter) for parameter, key in origin.items())
        part = Part(reference, scope, reference.called, origin)
        self.parts[scope, reference.name] = part
        for value in self.values(part).values():
            for inner in references(value):
                self._visit(inner, scope)
                if not inner.called:  # Whoever receives it may call it outside any scope.
                    self._visit(inner, ())

    def values(self, part: Part) -> dict[str, Any]:
        """Returns the part's bound parameters with their values as declared."""
        return {name: self.declared[key][name] for name, key in part.origin.items()}

    def unused(self) -> list[Key]:
        """Returns the declared keys that hold for no part."""
        return [key for key in self.declared if key not in self.reached]

    def hidden(self) -> list[tuple[Key, str]]:
        """Returns what holds for some part, none of which takes it: narrower scopes bind it too."""
        return [
            (key, parameter)
            for key in self.declared
            if key in self.reached
            for parameter in self.declared[key]
            if (key, parameter) not in self.used
        ]

    def objects(self) -> list[Part]:
        """Returns the parts that are no macros."""
        return [part for part in self.parts.values() if not part.reference.is_macro]

    def meaning(self) -> dict[str, str]:
        """Returns every parameter's value as text, macros and plain defaults filled in.

        Two sets of bindings that build the same have the same meaning, however they are written.
        """
        found: dict[str, str] = {}
        for part in self.objects():
            title = "/".join([*part.scope, part.reference.name])
            values = defaults(part.reference.target) | self.values(part)
            for name, value in values.items():
                found[f"{title}.{name}"] = repr(self.expand(value))
        return found

    def expand(self, value: Any, within: tuple[str, ...] = ()) -> Any:
        """Returns `value` with every macro in it replaced by what it stands for.

        One that is not defined, or stands for itself, is UNKNOWN.
        """

        def leaf(inner: Any) -> Any:
            if not isinstance(inner, Reference) or not inner.is_macro:
                return inner
            name = self.macro(inner)
            if name is None or name in within:
                return UNKNOWN
            return self.expand(self.declared[name, MACRO]["value"], (*within, name))

        return replace_leaves(leaf, value)

    def macro(self, reference: Reference) -> str | None:
        """Returns the name under which a macro is defined, with the innermost scope that has it."""
        for length in range(len(reference.scope), 0, -1):
            name = "/".join(reference.scope[:length])
            if (name, MACRO) in self.declared:
                return name
        return None


def references(value: Any) -> Iterator[Reference]:
    """Yields the references in a value, however deep."""
    found: list[Any] = []
    replace_leaves(found.append, value)
    return (leaf for leaf in found if isinstance(leaf, Reference))


def replace_leaves(change: Callable[[Any], Any], value: Any) -> Any:
    """Returns a value of the same lists, tuples and dicts, with `change` applied to what is in."""
    if isinstance(value, dict):
        return {
            replace_leaves(change, key): replace_leaves(change, inner)
            for key, inner in value.items()
        }
    if isinstance(value, list | tuple):
        return type(value)(replace_leaves(change, inner) for inner in value)
    return change(value)


def defaults(target: Callable[..., Any]) -> dict[str, Any]:
    """Returns the parameters' defaults that can be written down as a Python literal."""
    return {name: value for name, value in parameters(target).items() if _is_literal(value)}


def required(target: Callable[..., Any]) -> list[str]:
    """Returns the parameters without a default."""
    empty = inspect.Parameter.empty
    return [name for name, default in parameters(target).items() if default is empty]


def short(key: Key) -> str:
    """Returns how a gin file would write the key, its module left out."""
    scope, name = key
    return scope if name == MACRO else "/".join(filter(None, [scope, name.rpartition(".")[2]]))


@functools.lru_cache
def parameters(target: Callable[..., Any]) -> Mapping[str, Any]:
    """Returns named parameters and their defaults (`inspect.Parameter.empty` for none)."""
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    try:
        found = inspect.signature(target).parameters.values()
    except ValueError:  # Some built-in ones do not tell.
        return {}
    return {item.name: item.default for item in found if item.kind not in variadic}


def _is_literal(value: Any) -> bool:
    try:
        return bool(ast.literal_eval(repr(value)) == value)
    except (ValueError, SyntaxError):
        return False
