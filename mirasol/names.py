"""Names in gin files: what each stands for, or which one it should have been.

    from mirasol import experiment        experiment -> the module
    experiment.Trainer.steps = 3          ("", "mirasol.experiment.Trainer") -> steps -> 3
    --gin.Trainer.steps=3                 the same: a flag may leave out what comes before

A misspelt name is taken for the nearest right one once it is reported, so that one slip gives one
message and not a trail of them.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import linecache
import pkgutil
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from mirasol.findings import Finding
from mirasol.gin_syntax import Import
from mirasol.spelling import closest, hint
from mirasol.statements import Source, Statement
from mirasol.wiring import MACRO, UNKNOWN, Key, Part, Reference, Wiring, parameters, replace_leaves

_GIN = "__gin__"
_FEATURE = "dynamic_registration"
_Target = Callable[..., Any]


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

    def place(self, key: Key, parameter: str) -> str:
        """Returns where the parameter has its value from, "" for a default."""
        statement = self.statements.get((key, parameter))
        return statement.place if statement else ""

    def source(self, wiring: Wiring, part: Part, parameter: str) -> Statement:
        """Returns what gives a bound parameter its value: a macro's statement, where it is one."""
        value = wiring.values(part)[parameter]
        if isinstance(value, Reference) and value.is_macro:
            found = self.statements.get(((wiring.macro(value) or "", MACRO), "value"))
            if found:
                return found
        return self.statements[part.origin[parameter], parameter]

    def written(self, wiring: Wiring, part: Part, parameter: str) -> str:
        """Returns the place of that, "" for a default."""
        return self.source(wiring, part, parameter).place if parameter in part.origin else ""

    def order(self, statement: Statement) -> int:
        """Returns how many bindings were read before it."""
        return next(i for i, (_, _, each) in enumerate(self.every) if each is statement)


class Names:
    """Resolves what statements name, and gathers what is wrong with it.

    Attributes:
      findings: unknown modules, configurables and parameters.
      lost: whether a module is missing, so that names under it mean nothing.
    """

    def __init__(self, sources: Iterable[Source]):
        self.findings: list[Finding] = []
        self.lost = False
        self._named: dict[str, _Target] = {}  # "module.Class" -> it.
        self._of: dict[int, str] = {}
        self._seen: set[tuple[str, str]] = set()  # (file, selector) complained of.
        self._tables = {source: self._table(source, sources) for source in sources}

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
        key = (binding.scope, name)
        found.declared.setdefault(key, {})[parameter] = value
        found.statements[key, parameter] = statement
        found.every.append(((key, parameter), value, statement))

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

    def _table(self, source: Source, sources: Iterable[Source]) -> Mapping[str, Any] | None:
        """Returns what selectors of a text may begin with; None where they may begin anywhere."""
        table: dict[str, Any] = {}
        dynamic = False
        for each in source.imports:
            if each.module == f"{_GIN}.{_FEATURE}":
                dynamic = True
                continue
            module, name = self._import(each, source, sources)
            dynamic |= name == _FEATURE
            table[name] = module
        return table if dynamic else None

    def _import(self, item: Import, source: Source, sources: Iterable[Source]) -> tuple[Any, str]:
        """Returns the module, or UNKNOWN, and what it is or was meant to be called."""
        if item.module.startswith(f"{_GIN}."):  # A feature of gin's that there is not.
            return self._missing(item, item.module, source, sources)
        try:
            module = importlib.import_module(item.module)
        except ModuleNotFoundError as error:
            if not f"{item.module}.".startswith(f"{error.name}."):
                raise  # A module that is there imports one that is not.
            return self._missing(item, str(error.name), source, sources)
        if not item.is_from and not item.alias:
            module = sys.modules[item.module.partition(".")[0]]
        return module, item.name

    def _missing(
        self, item: Import, missing: str, source: Source, sources: Iterable[Source]
    ) -> tuple[Any, str]:
        package, _, last = missing.rpartition(".")
        if package == _GIN:
            known = {_FEATURE}
        elif package:
            known = set(_submodules(package))
        else:
            others = {each.module.partition(".")[0] for one in sources for each in one.imports}
            known = {_GIN, *sys.builtin_module_names, *others, *_top_level(), *_here()}
        near = closest(last, known)
        self.findings.append(Finding(source.place(item.line), f"no module {missing!r}{hint(near)}"))
        right = near and ".".join(filter(None, [package, near])) + item.module[len(missing) :]
        if not right or right == item.module or right.startswith(f"{_GIN}."):
            self.lost |= not right
            return UNKNOWN, _FEATURE if right else item.name
        name = item.name if item.alias or missing != item.module else near
        return self._import(dataclasses.replace(item, module=right, name=name), source, sources)


def where_defined(target: Any) -> str:
    """Returns the file and line that define a module, class or function."""
    try:
        file = inspect.getsourcefile(target) or ""
    except TypeError:
        return getattr(target, "__name__", str(target))
    if inspect.ismodule(target):
        return file
    start = re.compile(rf"(class|def) {re.escape(target.__name__)}\b")
    lines = enumerate(linecache.getlines(file), 1)
    line = next((number for number, text in lines if start.match(text)), 1)
    return f"{target.__name__} is defined in {file} line {line}"


def _offered(owner: Any) -> tuple[list[str], list[str]]:
    """Returns what of a module or class may be meant: what it defines itself, and all of it."""
    public = {name: value for name, value in vars(owner).items() if not name.startswith("_")}
    own = [
        name
        for name, value in public.items()
        if callable(value) and getattr(value, "__module__", "") == getattr(owner, "__name__", "")
    ]
    return own, list(public)


def _submodules(package: str) -> list[str]:
    try:
        paths = importlib.import_module(package).__path__
    except (ImportError, AttributeError):
        return []
    return [module.name for module in pkgutil.iter_modules(paths)]


def _top_level() -> set[str]:
    return {name for name in sys.modules if "." not in name and not name.startswith("_")}


def _here() -> list[str]:
    """Returns the modules of the working directory, where people keep parts of their own."""
    importable = [path for path in sys.path if Path(path).resolve() == Path.cwd()]
    return [module.name for module in pkgutil.iter_modules(importable)]
