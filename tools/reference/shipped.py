"""The shipped gin files as they are written: what each includes, names, defines and binds."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from typing import Any

from mirasol.gin_syntax import Binding, Import, read
from mirasol.wiring import MACRO, references
from reference.sources import REPOSITORY

FOLDER = REPOSITORY / "gin"
_FIRST_SENTENCE = re.compile(r"(.*?)\.(?:\s|$)")


@dataclasses.dataclass(frozen=True)
class Named:
    """A configurable where a file names it.

    Attributes:
      scope: "" for none.
      selector: as it is written.
      path: module and name, by the file's own imports.
      parameter: that is bound, "" where the configurable is a value.
    """

    scope: str
    selector: str
    path: str
    parameter: str


@dataclasses.dataclass(frozen=True)
class GinFile:
    """One file.

    Attributes:
      name: from the folder of gin files.
      purpose: the first sentence of its header.
      macros: name -> value.
      uses: (macro, what it is a value of).
    """

    name: str
    purpose: str
    includes: tuple[str, ...]
    imports: tuple[Import, ...]
    macros: dict[str, Any]
    named: tuple[Named, ...]
    uses: tuple[tuple[str, Named], ...]


def gin_files() -> list[GinFile]:
    """Returns all of them: runs, then the others by folder."""
    paths = sorted(FOLDER.rglob("*.gin"))
    names = [path.relative_to(FOLDER).as_posix() for path in paths]
    return [_read(name) for name in sorted(names, key=lambda name: not name.startswith("runs/"))]


def _read(name: str) -> GinFile:
    text = (FOLDER / name).read_text(encoding="utf-8")
    found = read(text)
    if found.errors:
        raise ValueError(f"gin/{name} line {found.errors[0][0]}: {found.errors[0][1]}")
    modules = {each.name: each for each in found.imports}
    bindings = [each for each in found.bindings if each.selector != MACRO]
    return GinFile(
        name=name,
        purpose=_purpose(name, text),
        includes=tuple(each.name for each in found.includes),
        imports=tuple(found.imports),
        macros={each.scope: each.value for each in found.bindings if each.selector == MACRO},
        named=tuple(each for binding in bindings for each in _named(binding, modules)),
        uses=tuple(
            ("/".join(each.scope), _bound(binding, modules))
            for binding in bindings
            for each in references(binding.value)
            if each.is_macro
        ),
    )


def _purpose(name: str, text: str) -> str:
    """Returns the first sentence of the comment that a file begins with."""
    header = text.partition("\n\n")[0] if text.startswith("#") else ""
    lines = [line.removeprefix("#").strip() for line in header.splitlines()]
    found = _FIRST_SENTENCE.match(" ".join(lines))
    if not found:
        raise ValueError(f"gin/{name} does not begin with a comment that says what it is")
    return found[1]


def _named(binding: Binding, modules: dict[str, Import]) -> Iterator[Named]:
    """Yields what a binding names: the configurable that it is of, and those in its value."""
    yield _bound(binding, modules)
    for each in references(binding.value):
        if not each.is_macro:
            scope = "/".join(each.scope)
            yield Named(scope, each.name, _path(each.name, modules), "")


def _bound(binding: Binding, modules: dict[str, Import]) -> Named:
    path = _path(binding.selector, modules)
    return Named(binding.scope, binding.selector, path, binding.parameter)


def _path(selector: str, modules: dict[str, Import]) -> str:
    first, _, rest = selector.partition(".")
    return f"{modules[first].module}.{rest}"
