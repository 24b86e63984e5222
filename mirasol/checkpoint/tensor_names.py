"""Patterns of names of tensors; in each, * stands for any text.

"text_decoder.*"                      every tensor of the decoder
("encoder.*", "video_encoder.*")      encoder.out.bias  ->  video_encoder.out.bias
"""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Collection, Iterable, Sequence

from mirasol.spelling import closest


def matches(name: str, patterns: Iterable[str]) -> bool:
    """Returns whether one of the patterns matches the whole name."""
    return any(_expression(pattern).fullmatch(name) for pattern in patterns)


def renamed(name: str, pairs: Sequence[tuple[str, str]]) -> str:
    """Returns the new name that the first pair with a matching old one gives, else the name.

    Each * of the new name is what the same * of the old one stands for.
    """
    for old, new in pairs:
        found = _expression(old).fullmatch(name)
        if found:
            texts = itertools.zip_longest(new.split("*"), found.groups(), fillvalue="")
            return "".join(itertools.chain.from_iterable(texts))
    return name


def nearest_pattern(pattern: str, names: Collection[str]) -> str:
    """Returns what a pattern that matches none of the names was likely meant to be, or "".

    What it returns is clear (see `clear_pattern`), and matches a name, or what one begins with.
    """
    shorter = [pattern.split(".", words)[-1] for words in range(1, pattern.count(".") + 1)]
    # "model." before a name is what a checkpoint has.
    likely = [each for each in shorter if not each.startswith("*")]
    likely += filter(None, [clear_pattern(_likely(pattern, names))])
    return next((each for each in likely if _means_some(each, names)), "")


def _means_some(pattern: str, names: Collection[str]) -> bool:
    return any(matches(name, [pattern, f"{pattern}.*"]) for name in names)


def _likely(pattern: str, names: Collection[str]) -> str:
    """Holds its longest piece without a * against all stretches of as many words in the names."""
    piece = max(pattern.split("*"), key=len).strip(".")
    if any(name.startswith(f"{piece}.") for name in names):
        return f"{piece}.*"
    count = piece.count(".") + 1
    stretches = {
        ".".join(words[start : start + count])
        for words in (name.split(".") for name in names)
        for start in range(len(words) - count + 1)
    }
    if piece in stretches:
        return _widened(pattern, piece, names)
    other = closest(piece, stretches)
    return pattern.replace(piece, other) if piece and other else ""


def _widened(pattern: str, piece: str, names: Collection[str]) -> str:
    """Returns the pattern with a * behind it, or before a piece of it, or both; "" if none match.

    What it returns is clear (see `clear_pattern`).
    """
    inner = re.sub(r"\*+", "*", pattern.replace(piece, f"*.{piece}"))
    wider = (f"{pattern}.*", inner, f"{inner}.*")
    return next((each for each in wider if any(matches(name, [each]) for name in names)), "")


def clear_pattern(pattern: str) -> str:
    """Returns the pattern as it must be written: one * for any text, and none right behind a word.

    "encoder*" would be "encoder.*" and all of "encoder_2", and "blocks.1*" the eleventh block too.
    """
    return re.sub(r"(?<=[A-Za-z0-9])\*", ".*", re.sub(r"\*+", "*", pattern))


@functools.lru_cache
def _expression(pattern: str) -> re.Pattern[str]:
    return re.compile("(.*)".join(map(re.escape, pattern.split("*"))))
