"""Names in gin files: what each stands for, or which one it should have been.

    from mirasol import experiment        experiment -> the module
    experiment.Trainer.steps = 3          ("", "mirasol.experiment.Trainer") -> steps -> 3
    --gin.Trainer.steps=3                 the same: a flag may leave out what comes before

A misspelt name is taken for the nearest right one once it is reported, so that one slip gives one
message and not a trail of them.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Iterable
from typing import Any

from mirasol.bound import Bound
from mirasol.findings import Finding, where_defined
from mirasol.gin_imports import Imports
from mirasol.spelling import closest, hint
from mirasol.statements import Source, Statement
from mirasol.wiring import MACRO, UNKNOWN, Reference, parameters, replace_leaves

_Target = Callable[..., Any]


class Names:
    """Resolves what statements name, and gathers what is wrong with it.

    Attributes:
      findings: unknown modules, configurables and parameters.
      lost: whether a module is missing, so that names under it mean nothing.
    """

    def __init__(self, sources: Iterable[Source]):
        imports = Imports(sources)
        self.findings = list(imports.findings)
        self.lost = imports.lost
        self._tables = imports.tables
        self._named: dict[str, _Target] = {}  # "module.Class" -> it.
        self._of: dict[int, str] = {}
        self._seen: set[tuple[str, str]] = set()  # (file, selector) complained of.

    def bound(self, statements: Iterable[Statement]) -> Bound:
        """Returns the bindings, by their full names."""
        found = Bound()
        for statement in statements:
            self._bind(statement, found)
        return found

    def find(self, target: _Target) -> str | None:
        """Returns the full name under which the files mention a class or function."""
        return self._of.get(id(target))

    def _bind(self, statement: Statement, found: Bound) -> None:
        binding, source = statement.binding, statement.source
        value = replace_leaves(lambda leaf: self._leaf(leaf, statement), binding.value)
        name = MACRO
        if binding.selector != MACRO:
            name = self._selector(binding.selector, source, statement.head)
        parameter = self._parameter(name, statement) if name else ""
        if not parameter:
            found.loose.append(value)
            return
        found.add((binding.scope, name), parameter, value, statement)

    def _leaf(self, leaf: Any, statement: Statement) -> Any:
        if not isinstance(leaf, Reference) or leaf.is_macro:
            return leaf
        name = self._selector(leaf.name, statement.source, statement.place)
        if not name:
            return UNKNOWN
        return dataclasses.replace(leaf, name=name, target=self._named[name])

    def _parameter(self, name: str, statement: Statement) -> str:
        """Returns the parameter that the statement binds or means, "" for none."""
        written = statement.binding.parameter
        if name == MACRO or written in parameters(self._named[name]):
            return written
        target, known = self._named[name], parameters(self._named[name])
        near = closest(written, known)
        allowed = hint(near) or f"; it has {', '.join(known) or 'none'}"
        self.findings.append(
            Finding(
                statement.place,
                f"{statement.binding.selector} has no parameter {written!r}{allowed} "
                f"({where_defined(target)})",
            )
        )
        return near

    def _selector(self, selector: str, source: Source, place: str) -> str:
        """Returns the full name of what a selector means, "" if nothing is near it."""
        table = self._tables[source]
        if table is None:
            return self._by_suffix(selector, source, place)
        first, *rest = selector.split(".")
        if first not in table:
            near = closest(first, table)
            here = [name for name, module in table.items() if module and hasattr(module, first)]
            near_whole = near or (f"{here[0]}.{first}" if here and not rest else "")
            self._complain(
                source, first, place, f"{first!r} is not imported{hint(near_whole)}; each file "
                "imports what it names"
            )  # fmt: skip
            if not near:
                return self._by_suffix(selector, source, None) if here else ""
            first = near
        found = table[first]
        if found is UNKNOWN:
            return ""
        return self._walk(found, rest, selector, source, place)

    def _walk(self, found: Any, rest: list[str], selector: str, source: Source, place: str) -> str:
        owners = []
        for name in rest:
            if not hasattr(found, name):
                own, others = _offered(found)
                near = closest(name, own) or closest(name, others)
                self._complain(
                    source, selector, place, f"unknown name {selector!r}{hint(near)} "
                    f"({where_defined(found)})"
                )  # fmt: skip
                if not near:
                    return ""
                name = near
            owners.append(found)
            found = getattr(found, name)
        if not callable(found):
            what = f"{selector} is no class or function, so nothing of it can be bound"
            self._complain(source, selector, place, what)
            return ""
        return self._register(found, owners[-1] if owners else found)

    def _register(self, target: _Target, owner: Any) -> str:
        if id(target) not in self._of:
            module = getattr(owner, "__module__", None) if inspect.isclass(owner) else None
            path = f"{module}.{owner.__qualname__}" if module else owner.__name__
            self._of[id(target)] = f"{path}.{target.__name__}"
            self._named[self._of[id(target)]] = target
        return self._of[id(target)]

    def _by_suffix(self, selector: str, source: Source, place: str | None) -> str:
        """Returns the one name that files mention and that ends so."""
        ending = f".{selector}"
        found = [name for name in self._named if f".{name}".endswith(ending)]
        if len(found) == 1:
            return found[0]
        if place is None:
            return ""
        if found:
            what = f"{selector!r} may be {' or '.join(found)}; write more of it"
            self._complain(source, selector, place, what)
            return ""
        shorts = {name.rpartition(".")[2]: name for name in self._named}
        near = closest(selector.rpartition(".")[2], shorts)
        if not near and selector in shorts:
            near = selector
        if selector.rpartition(".")[2] in shorts:  # Its module is misspelt.
            near = selector.rpartition(".")[2]
        self._complain(source, selector, place, f"unknown name {selector!r}{hint(near)}")
        return shorts.get(near, "")

    def _complain(self, source: Source, name: str, place: str, message: str) -> None:
        """Reports a name once a file, however often it stands there."""
        if (source.name, name) not in self._seen:
            self._seen.add((source.name, name))
            self.findings.append(Finding(place, message))


def _offered(owner: Any) -> tuple[list[str], list[str]]:
    """Returns what of a module or class may be meant: what it defines itself, and all of it."""
    public = {name: value for name, value in vars(owner).items() if not name.startswith("_")}
    own = [
        name
        for name, value in public.items()
        if callable(value) and getattr(value, "__module__", "") == getattr(owner, "__name__", "")
    ]
    return own, list(public)
