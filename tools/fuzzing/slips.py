"""Slips of the finger in the names of a gin text.

heads = %HEADS     ->   hads, heeads, haeds, ..., HADS, HHEADS, ...
"""

from __future__ import annotations

import ast
import dataclasses
import io
import tokenize
from collections.abc import Iterator


@dataclasses.dataclass(frozen=True)
class Name:
    """A name in a gin file, without quotes; `column` is of its first letter."""

    line: int
    column: int
    text: str
    in_quotes: bool


@dataclasses.dataclass(frozen=True)
class Slip:
    """A name typed wrongly."""

    file: str
    name: Name
    wrong: str
    kind: str


def slips(name: Name, file: str) -> Iterator[Slip]:
    """Yields each deletion, doubling and swap of letters that makes another text."""
    text = name.text
    for i in range(len(text)):
        made = {
            "left out": text[:i] + text[i + 1 :],
            "doubled": text[: i + 1] + text[i:],
            "swapped": text[:i] + text[i : i + 2][::-1] + text[i + 2 :],
        }
        for kind, wrong in made.items():
            if wrong != text:
                yield Slip(file, name, wrong, kind)


def names(text: str) -> Iterator[Name]:
    """Yields every identifier and every text in quotes."""
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        line, column = token.start
        if token.type == tokenize.NAME:
            yield Name(line, column, token.string, False)
        elif token.type == tokenize.STRING:
            yield Name(line, column + 1, ast.literal_eval(token.string), True)
