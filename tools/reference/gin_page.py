"""The tables of gin/README.md that are read from the files themselves."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from reference.index import Index
from reference.markdown import code, prose, table
from reference.shipped import GinFile

_PAGE = "../docs/reference.md"
_END = "<!-- end -->"


def gin_page(before: str, index: Index, files: Sequence[GinFile]) -> str:
    """Returns the page with its tables made anew between their marks.

    Args:
      before: the page as it is.
      index: of the configurables.
      files: all shipped gin files.

    Raises:
      ValueError: the page lacks the marks of a table.
    """
    tables = {
        "files": _files(files),
        "macros": _macros(index, files),
        "scopes": _scopes(index, files),
    }
    for name, lines in tables.items():
        mark = f"<!-- {name}: made by tools/make_reference.py -->"
        between = re.compile(rf"(^{re.escape(mark)}\n).*?(^{_END}$)", re.DOTALL | re.MULTILINE)
        found = between.search(before)
        if not found:
            raise ValueError(f"gin/README.md needs a line {mark} and a line {_END} below it")
        content = "\n".join(["", *lines, "", ""])
        before = f"{before[: found.end(1)]}{content}{before[found.start(2) :]}"
    return before


def _files(files: Sequence[GinFile]) -> Iterator[str]:
    rows = [
        [code(file.name), prose(file.purpose), ", ".join(map(code, file.includes))]
        for file in files
    ]
    yield from table(["file", "what it states", "includes"], rows)


def _macros(index: Index, files: Sequence[GinFile]) -> Iterator[str]:
    names = dict.fromkeys(name for file in files for name in file.macros)
    rows = [[code(name), _goes_to(index, files, name), _values(files, name)] for name in names]
    yield from table(["macro", "is the value of", "values, and where each is defined"], rows)


def _goes_to(index: Index, files: Sequence[GinFile], macro: str) -> str:
    users = [user for file in files for name, user in file.uses if name == macro]
    places = dict.fromkeys((index.resolved(user), f".{user.parameter}") for user in users)
    return ", ".join(index.link(path, name, _PAGE, short=True) for path, name in places)


def _values(files: Sequence[GinFile], macro: str) -> str:
    where: dict[str, list[str]] = {}
    for file in files:
        if macro in file.macros:
            where.setdefault(repr(file.macros[macro]), []).append(file.name.removesuffix(".gin"))
    return "; ".join(f"{code(value)} {', '.join(names)}" for value, names in where.items())


def _scopes(index: Index, files: Sequence[GinFile]) -> Iterator[str]:
    found: dict[tuple[str, str], list[str]] = {}
    for file in files:
        for each in file.named:
            if each.scope:
                users = found.setdefault((each.scope, index.resolved(each)), [])
                users += [code(file.name)] if code(file.name) not in users else []
    rows = [
        [code(scope), index.link(path, page=_PAGE), ", ".join(users)]
        for (scope, path), users in found.items()
    ]
    yield from table(["scope", "of", "in"], rows)
