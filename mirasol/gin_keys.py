"""Keys that stand twice in one {...} of a gin text: the first value would be lost in silence."""

from __future__ import annotations

import ast
import io
import itertools
import tokenize
from collections.abc import Iterator

_OPENING, _CLOSING = ("(", "[", "{"), (")", "]", "}")


def doubled_keys(text: str) -> Iterator[tuple[int, str]]:
    """Yields the line of each second key, and what is wrong; every bracket must be closed."""
    if "{" not in text:  # Of most texts, that is all.
        return
    inside: list[dict[object, int]] = []  # Of each open bracket, its keys and their lines.
    tokens = [
        each
        for each in tokenize.generate_tokens(io.StringIO(text).readline)
        if each.type not in (tokenize.NL, tokenize.COMMENT)
    ]
    for token, following in itertools.pairwise(tokens):
        if token.string in _OPENING:
            inside.append({})
        elif token.string in _CLOSING:
            inside.pop()
        elif (
            inside and token.type in (tokenize.STRING, tokenize.NUMBER) and following.string == ":"
        ):
            key, line = ast.literal_eval(token.string), token.start[0]
            if key in inside[-1]:
                yield line, _said(key, inside[-1][key])
            inside[-1].setdefault(key, line)


def _said(key: object, first: int) -> str:
    return f"the key {key!r} stands twice, first in line {first}: rename one, or leave it out"
