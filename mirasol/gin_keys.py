"""Keys that stand twice in one {...} of a gin text: the first value would be lost in silence."""

from __future__ import annotations

import ast
import contextlib
import io
import tokenize
from collections.abc import Iterator, Sequence

_OPENING, _CLOSING = ("(", "[", "{"), (")", "]", "}")
_NO_CODE = (tokenize.NL, tokenize.COMMENT)


def doubled_keys(text: str) -> Iterator[tuple[int, str]]:
    """Yields the line of each second key, and what is wrong; every bracket must be closed."""
    if "{" not in text:  # Of most texts, that is all.
        return
    inside: list[dict[object, int]] = []  # Of each open bracket, its keys and their lines.
    written: list[tokenize.TokenInfo] = []  # Since the last bracket, comma or colon.
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type in _NO_CODE:
            continue
        if token.string not in (*_OPENING, *_CLOSING, ",", ":"):
            written.append(token)
            continue
        if token.string in _OPENING:
            inside.append({})
        elif token.string in _CLOSING:
            inside.pop()
        elif token.string == ":" and inside:
            for key, line in _literal(written):
                if key in inside[-1]:
                    yield line, _said(key, inside[-1][key])
                inside[-1].setdefault(key, line)
        written = []


def _literal(written: Sequence[tokenize.TokenInfo]) -> Iterator[tuple[object, int]]:
    """Yields the key that tokens write down, and its line; none for a reference or a macro."""
    with contextlib.suppress(ValueError, SyntaxError):
        yield ast.literal_eval(" ".join(each.string for each in written)), written[0].start[0]


def _said(key: object, first: int) -> str:
    return f"the key {key!r} stands twice, first in line {first}: rename one, or leave it out"
