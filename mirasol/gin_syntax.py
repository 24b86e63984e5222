"""What a gin text states, line by line, names unresolved; and what in it is no gin.

A line that cannot be read does not hide the others:

    A = 3          bound to 3
    B = [1,,       an error; B is bound to UNKNOWN, which every check lets pass
    C = 4          bound to 4
"""

from __future__ import annotations

import dataclasses
import functools
import re
import tokenize
from typing import Any

from gin import config_parser

from mirasol.gin_keys import doubled_keys
from mirasol.spelling import closest, hint
from mirasol.wiring import MACRO, UNKNOWN, Reference

_KEYWORDS = ("from", "import", "include")
_LITERALS = ("True", "False", "None")
_OPEN = "a bracket or a quote is never closed"
_UNREADABLE = "unreadable_value"
_KEY = re.compile(r"\s*[\w./]+\s*=")
_BARE_TEXT = re.compile(r"[\w./~-]+")  # Such as a path.
_NO_LITERAL = re.compile(r"Failed to parse token '(.*?)'", re.DOTALL)
_GOES_ON = (" ", "\t", ")", "]", "}")


@dataclasses.dataclass(frozen=True)
class Binding:
    """`scope/selector.parameter = value`; a macro's selector is MACRO, its scope its name.

    Attributes:
      head: the line that names the selector, which for a block is above.
      value: references in it have the name as written, and no target.
    """

    line: int
    head: int
    scope: str
    selector: str
    parameter: str
    value: Any


@dataclasses.dataclass(frozen=True)
class Import:
    """`from a import b` or `import a.b`, module "a.b" either way; `name` is what it is called."""

    line: int
    module: str
    name: str
    is_from: bool
    alias: bool


@dataclasses.dataclass(frozen=True)
class Include:
    """`include 'name'`."""

    line: int
    name: str


@dataclasses.dataclass
class Text:
    """What a text states.

    Attributes:
      errors: (line, what is wrong).
      lost: whether a statement could not even be told the name of.
    """

    bindings: list[Binding] = dataclasses.field(default_factory=list)
    imports: list[Import] = dataclasses.field(default_factory=list)
    includes: list[Include] = dataclasses.field(default_factory=list)
    errors: list[tuple[int, str]] = dataclasses.field(default_factory=list)
    lost: bool = False


@functools.lru_cache(maxsize=256)  # Many experiments of one process share most of their files.
def read(text: str) -> Text:
    """Reads a text to its end, whatever in it is no gin; not to be changed by who gets it."""
    lines = text.splitlines()
    errors: list[tuple[int, str]] = []
    lost = False
    while True:
        found, error = _read_on(lines)
        if error is None:
            errors += doubled_keys("\n".join(lines))
            return dataclasses.replace(found, errors=errors, lost=lost)
        errors.append(error)
        lost |= not _leave_out(lines, error[0])


def _read_on(lines: list[str]) -> tuple[Text, tuple[int, str] | None]:
    """Returns what stands before the first error, and that."""
    found, last = Text(), 0
    head = 0
    try:
        for item in config_parser.ConfigParser("\n".join(lines), _BareNames()):
            last = item.location.line_num
            match item:
                case config_parser.BlockDeclaration():
                    head = last
                case config_parser.IncludeStatement():
                    found.includes.append(Include(last, item.filename))
                case config_parser.ImportStatement():
                    name = item.bound_name()
                    found.imports.append(
                        Import(last, item.module, name, item.is_from, bool(item.alias))
                    )
                case config_parser.BindingStatement():
                    in_block = item.location.char_num is not None
                    found.bindings.append(_binding(item, head if in_block else last))
    except tokenize.TokenError:  # A bracket or a quote is open at the end of the text.
        return found, (_next_statement(lines, last), _OPEN)
    except (SyntaxError, ValueError) as error:
        return found, _error(error, lines, last)
    return found, None


def _binding(item: Any, head: int) -> Binding:
    key = (item.scope, item.selector, item.arg_name)
    if not item.arg_name:
        key = ("/".join(filter(None, [item.scope, item.selector])), MACRO, "value")
    return Binding(item.location.line_num, head, *key, item.value)


def _error(error: Exception, lines: list[str], last: int) -> tuple[int, str]:
    place = error.args[1] if len(error.args) > 1 else None
    start = _next_statement(lines, last)
    line = min(place[1], len(lines)) if place else start
    if start < line and not lines[line - 1].startswith((*_GOES_ON, "#")):
        return start, _OPEN  # Or the next statement would not be in it.
    text = str(getattr(error, "msg", error))
    if found := _NO_LITERAL.search(text):
        return line, _no_value(found[1], lines[line - 1])
    words = re.findall(r"\w+", lines[line - 1].partition("'")[0]) if lines else []
    meant = next((near for word in words if (near := _keyword(word))), "")
    return line, f'{" ".join(text.split())}{hint(meant)} (text wants quotes: NAME = "text")'


def _no_value(word: str, line: str) -> str:
    """Says that a word is no value, and which one it may stand for: a word, or text in quotes."""
    value = line.partition("=")[2].strip()
    whole = value if _BARE_TEXT.fullmatch(value) else word
    right = closest(word, _LITERALS) or next(
        (each for each in _LITERALS if each.lower() == word.lower()), f"'{whole}'"
    )
    return f"{whole} is no value; did you mean {right}? (in a shell, text wants quotes twice)"


def _keyword(word: str) -> str:
    return "" if word in _KEYWORDS else closest(word, _KEYWORDS)


def _next_statement(lines: list[str], after: int) -> int:
    """Returns the number of the first line behind `after` on which a statement begins."""
    for number in range(after + 1, len(lines) + 1):
        line = lines[number - 1]
        if line.strip() and not line.startswith((*_GOES_ON, "#")):
            return number
    return max(len(lines), 1)


def _leave_out(lines: list[str], number: int) -> bool:
    """Takes the statement at a line out of the text; returns whether its name could be kept."""
    first = min(number, len(lines)) - 1
    while first > 0 and not _begins(lines[first]):
        first -= 1
    key = _KEY.match(lines[first])
    if not key and lines[first].startswith(_GOES_ON):  # Inside a block: all of it goes.
        while first > 0 and (not lines[first].strip() or lines[first].startswith(_GOES_ON)):
            first -= 1
    indent = len(lines[first]) - len(lines[first].lstrip())
    end = first + 1
    while end < len(lines) and _belongs(lines[end], indent):
        end += 1
    kept = bool(key) and _UNREADABLE not in lines[first]
    statement = f"{key[0]} %{_UNREADABLE}" if key and kept else ""
    lines[first:end] = [statement, *[""] * (end - first - 1)]
    return kept


def _begins(line: str) -> bool:
    return bool(line.strip()) and (not line.startswith(_GOES_ON) or bool(_KEY.match(line)))


def _belongs(line: str, indent: int) -> bool:
    """Returns whether a line goes on with a statement of that indentation."""
    inner = line.lstrip()
    return not inner or inner[0] in ")]}" or len(line) - len(inner) > indent


class _BareNames(config_parser.ParserDelegate):
    """Leaves names as they are written."""

    def configurable_reference(self, scoped_configurable_name, evaluate):
        *scope, name = scoped_configurable_name.split("/")
        return Reference(tuple(scope), name, object, evaluate)

    def macro(self, macro_name):
        if macro_name == _UNREADABLE:
            return UNKNOWN
        return Reference(tuple(macro_name.split("/")), MACRO, object, True)
