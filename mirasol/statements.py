"""Bindings as they are written in files and flags, and those of them that undo each other.

included files first, as gin reads them -> Statement, Statement, ... ; the last to bind a name wins
"""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Iterable
from pathlib import Path
from typing import TextIO

from mirasol import gin_syntax
from mirasol.findings import Finding
from mirasol.gin_files import find
from mirasol.gin_syntax import Binding, Import
from mirasol.wiring import MACRO

Written = tuple[str, str, str]  # scope, configurable without its module, parameter


@dataclasses.dataclass(frozen=True, eq=False)
class Source:
    """A file or a flag.

    Attributes:
      name: for people.
      imports: what its selectors begin with; none in a flag.
    """

    name: str
    imports: tuple[Import, ...] = ()
    is_flag: bool = False

    def place(self, line: int) -> str:
        """Returns how people find the line."""
        return self.name if self.is_flag else f"{self.name} line {line}"


@dataclasses.dataclass(frozen=True)
class Statement:
    """A binding and the text that it stands in."""

    binding: Binding
    source: Source

    @property
    def written(self) -> Written:
        """What is bound, the module left out."""
        selector = self.binding.selector.rpartition(".")[2]
        return self.binding.scope, selector, self.binding.parameter

    @property
    def title(self) -> str:
        """What is bound, as people write it."""
        scope, selector, parameter = self.written
        if self.binding.selector == MACRO:
            return scope
        return f"{scope}/{selector}.{parameter}" if scope else f"{selector}.{parameter}"

    @property
    def place(self) -> str:
        """Of the parameter."""
        return self.source.place(self.binding.line)

    @property
    def head(self) -> str:
        """Of the name above the block, or in the same line."""
        return self.source.place(self.binding.head)


class Reader:
    """Reads files and flags, included files first, as gin does.

    Attributes:
      statements: every binding read, in order.
      sources: every file and flag read, in order.
      texts: what gin shall parse, `include` lines blank: where files lie is decided here alone.
        gin's own search would report as an error every folder that lacks the file.
      findings: files that are not there, lines that are no gin, names bound twice.
      lost: whether something was bound of which not even the name is known.
      unread: whether a value could not be read.
    """

    def __init__(self) -> None:
        self.statements: list[Statement] = []
        self.sources: list[Source] = []
        self.texts: list[TextIO] = []
        self.findings: list[Finding] = []
        self.lost = False
        self.unread = False
        self._flags: dict[Written, Statement] = {}

    def read_file(self, path: Path, within: tuple[Path, ...] = ()) -> dict[Written, Statement]:
        """Reads a file and what it includes; returns what they bind, for who includes it."""
        text = path.read_text(encoding="utf-8")
        source, parsed = self._parsed(text, str(path))
        lines = text.splitlines()
        first = min((binding.line for binding in parsed.bindings), default=len(lines))
        included: list[dict[Written, Statement]] = []
        for include in parsed.includes:
            lines[include.line - 1] = ""
            if include.line > first:
                self._find(source.place(include.line), "what is bound above an include is lost")
            if inner := self._found(include.name, source.place(include.line)):
                if inner in (*within, path):
                    way = f", by way of {path}" if inner != path else ""
                    self._find(source.place(include.line), f"{inner} includes itself{way}")
                else:
                    included.append(self.read_file(inner, (*within, path)))
        mine = self._once(Statement(binding, source) for binding in parsed.bindings)
        self._check_siblings(included, mine, path)
        self._add(source, mine.values(), "\n".join(lines))
        return {key: value for each in (*included, mine) for key, value in each.items()}

    def read_flag(self, text: str) -> None:
        """Reads "NAME = VALUE"."""
        name = "--gin." + text.partition("=")[0].strip()
        source, parsed = self._parsed(text, name, is_flag=True)
        mine = self._once((Statement(each, source) for each in parsed.bindings), self._flags)
        self._add(source, mine.values(), text)

    def _parsed(
        self, text: str, name: str, *, is_flag: bool = False
    ) -> tuple[Source, gin_syntax.Text]:
        parsed = gin_syntax.read(text)
        source = Source(name, tuple(parsed.imports), is_flag)
        for line, reason in parsed.errors:
            self._find(source.place(line), reason)
        self.lost |= parsed.lost
        self.unread |= bool(parsed.errors)
        return source, parsed

    def _found(self, name: str, place: str) -> Path | None:
        try:
            return find(name)
        except ValueError as error:
            self._find(place, str(error))
            self.lost = True
            return None

    def _once(
        self, statements: Iterable[Statement], bound: dict[Written, Statement] | None = None
    ) -> dict[Written, Statement]:
        """Returns the statements, none twice."""
        bound = {} if bound is None else bound
        mine: dict[Written, Statement] = {}
        for statement in statements:
            before = bound.get(statement.written)
            if before:
                where = "by a flag" if statement.source.is_flag else f"in {before.place}"
                self._find(
                    statement.place,
                    f"{statement.title} is bound before, {where}; one is lost: leave one out",
                )
            bound[statement.written] = mine[statement.written] = statement
        return mine

    def _check_siblings(
        self,
        included: list[dict[Written, Statement]],
        mine: dict[Written, Statement],
        path: Path,
    ) -> None:
        """Finds what two files bind of which neither includes the other; the first is lost.

        Nothing is lost where the file that includes both binds it once more, and decides.
        """
        bound: dict[Written, Statement] = {}
        for file in included:
            for key, statement in file.items():
                before = bound.setdefault(key, statement)
                if before.place != statement.place and key not in mine:
                    self._find(
                        statement.place,
                        f"{statement.title} is bound before, in {before.place}, and {path} "
                        f"includes both; one is lost: leave one out, or bind it in {path}, too",
                    )

    def _find(self, place: str, message: str) -> None:
        self.findings.append(Finding(place, message))

    def _add(self, source: Source, statements: Iterable[Statement], text: str) -> None:
        self.statements += statements
        self.sources.append(source)
        file = io.StringIO(text)
        file.name = source.name  # For the places in gin's errors.
        self.texts.append(file)
