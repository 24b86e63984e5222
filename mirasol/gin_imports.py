"""What each gin text imports, or should have: the names that its selectors may begin with.

    from mirasol import experiment        experiment -> the module
    from mirasol import experimnet        a mistake; experimnet -> UNKNOWN, experiment -> the module

Only what a text imports itself may be named in it; flags, which import nothing, may name anything.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import pkgutil
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from mirasol.findings import Finding, fault
from mirasol.gin_syntax import Import
from mirasol.spelling import closest, hint
from mirasol.statements import Source
from mirasol.wiring import UNKNOWN

_GIN = "__gin__"
_FEATURE = "dynamic_registration"


class Imports:
    """Imports what texts import, and gathers what is wrong with it.

    Attributes:
      findings: unknown modules.
      lost: whether a module is missing, so that names under it mean nothing.
      tables: text -> what its selectors may begin with; None where they may begin anywhere.
    """

    def __init__(self, sources: Iterable[Source]):
        self.findings: list[Finding] = []
        self.lost = False
        self._sources = tuple(sources)
        self._absent: set[str] = set()  # Modules found missing: never offered in turn.
        self.tables = {source: self._table(source) for source in self._sources}

    def _table(self, source: Source) -> Mapping[str, Any] | None:
        table: dict[str, Any] = {}
        dynamic = False
        for each in source.imports:
            if each.module == f"{_GIN}.{_FEATURE}":
                dynamic = True
                continue
            module, name = self._import(each, source)
            dynamic |= name == _FEATURE
            table[name] = module
        return table if dynamic else None

    def _import(self, item: Import, source: Source) -> tuple[Any, str]:
        """Returns the module, or UNKNOWN, and what it is or was meant to be called."""
        if item.module.startswith(f"{_GIN}."):  # A feature of gin's that there is not.
            return self._missing(item, item.module, source)
        try:
            module = importlib.import_module(item.module)
        except ModuleNotFoundError as error:
            if f"{item.module}.".startswith(f"{error.name}."):
                return self._missing(item, str(error.name), source)
            return self._faulty(item, error, source)  # It is there, and imports one that is not.
        except Exception as error:  # It is somebody's code.
            return self._faulty(item, error, source)
        if not item.is_from and not item.alias:
            module = sys.modules[item.module.partition(".")[0]]
        return module, item.name

    def _faulty(self, item: Import, error: Exception, source: Source) -> tuple[Any, str]:
        said = f"module {item.module!r} cannot be imported: {fault(error)}"
        self.findings.append(Finding(source.place(item.line), said))
        self.lost = True
        return UNKNOWN, item.name

    def _missing(self, item: Import, missing: str, source: Source) -> tuple[Any, str]:
        self._absent.add(missing)
        package, _, last = missing.rpartition(".")
        near = closest(last, self._known(package))
        self.findings.append(Finding(source.place(item.line), f"no module {missing!r}{hint(near)}"))
        right = near and ".".join(filter(None, [package, near])) + item.module[len(missing) :]
        if not right or right == item.module or right.startswith(f"{_GIN}."):
            self.lost |= not right
            return UNKNOWN, _FEATURE if right else item.name
        name = item.name if item.alias or missing != item.module else near
        return self._import(dataclasses.replace(item, module=right, name=name), source)

    def _known(self, package: str) -> set[str]:
        """Returns the modules of a package; of none, those that may be imported first of all."""
        if package == _GIN:
            return {_FEATURE}
        if package:
            names = set(_submodules(package))
            return {name for name in names if f"{package}.{name}" not in self._absent}
        others = {each.module.partition(".")[0] for one in self._sources for each in one.imports}
        there = {name for name in others if name in sys.modules or importlib.util.find_spec(name)}
        return {_GIN, *sys.builtin_module_names, *there, *_top_level(), *_here()} - self._absent


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
