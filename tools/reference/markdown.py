"""Markdown as GitHub shows it: text from docstrings, tables, links within a page."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

_CODE = re.compile(r"(`[^`]*`)")
_MARKUP = re.compile(r"([*<])")


def prose(text: str) -> str:
    """Returns plain text with what would be markup escaped, but for code in backticks."""
    pieces = _CODE.split(text)
    return "".join(piece if piece[:1] == "`" else _MARKUP.sub(r"\\\1", piece) for piece in pieces)


def paragraphs(text: str) -> str:
    """Returns text of several paragraphs; indented ones stay as they are, as code."""
    return "\n".join(line if line.startswith("    ") else prose(line) for line in text.splitlines())


def code(text: str) -> str:
    """Returns text as code, "" for no text."""
    return f"`{text}`" if text else ""


def table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Returns the lines of a table; cells are Markdown."""
    lines = [titles, ["---"] * len(titles), *rows]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines]


def link(text: str, target: str) -> str:
    """Returns a link."""
    return f"[{text}]({target})"


def anchor(heading: str) -> str:
    """Returns what a heading is linked by within its page."""
    return "#" + re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
