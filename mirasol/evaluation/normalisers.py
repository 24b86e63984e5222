"""Other ways to compare answers, for figures of other papers: VQA style and BLIP style.

Exact match itself changes next to nothing (`metrics.normalise`). The evaluation of VQA drops
punctuation and articles, writes small numbers as digits and restores apostrophes; BLIP and ALBEF
only drop some punctuation.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

_NUMBERS = "zero one two three four five six seven eight nine ten"
_DIGITS = {"none": "0"} | {word: str(number) for number, word in enumerate(_NUMBERS.split())}
_ARTICLES = {"a", "an", "the"}
_CONTRACTED = (
    "ain't aren't can't couldn't couldn't've didn't doesn't don't hadn't hadn't've hasn't haven't "
    "he'd he'd've he's how'd how'll how's I'd've I'm I've isn't it'd it'd've it'll let's ma'am "
    "mightn't mightn't've might've mustn't must've needn't not've o'clock oughtn't shan't she'd've "
    "shouldn't should've shouldn't've somebody'd somebody'd've somebody'll somebody's someone'd "
    "someone'd've someone'll someone's something'd something'd've something'll that's there'd "
    "there'd've there're there's they'd they'd've they'll they're they've 'twas wasn't we'd've "
    "we've weren't what'll what're what's what've when's where'd where's where've who'd who'd've "
    "who'll who's who've why'll why're why's won't would've wouldn't wouldn't've y'all y'all'll "
    "y'all'd've you'd you'd've you'll you're you've"
)
_APOSTROPHES = {word.replace("'", ""): word for word in _CONTRACTED.split()}
_PUNCTUATION = ';/[]"{}()=+\\_-><@`,?!'
# A full stop counts only within a number.
_FULL_STOP = re.compile(r"\.(?!\d)")
_COMMA_IN_NUMBER = re.compile(r"\d,\d")
_BLIP_DROPS = str.maketrans("", "", '.!"()*#:;~')


def vqa_style(text: str) -> str:
    """Returns `text` as the evaluation of VQA compares it.

    A punctuation mark vanishes where it stands beside a blank, or where a number has a comma in it;
    elsewhere it becomes a blank.
    """
    text = " ".join(text.split())
    result = text
    number = _COMMA_IN_NUMBER.search(text) is not None
    for mark in _PUNCTUATION:
        beside_blank = f"{mark} " in text or f" {mark}" in text
        result = result.replace(mark, "" if beside_blank or number else " ")
    words = (_DIGITS.get(word, word) for word in _FULL_STOP.sub("", result).lower().split())
    return " ".join(_APOSTROPHES.get(word, word) for word in words if word not in _ARTICLES)


def blip_style(text: str) -> str:
    """Returns `text` as BLIP prepares it: lower case, some marks dropped."""
    return " ".join(text.lower().translate(_BLIP_DROPS).split())


STYLES: dict[str, Callable[[str], str]] = {"vqa": vqa_style, "blip": blip_style}


def accuracy_by_style(pairs: Iterable[tuple[Mapping[str, Any], str]]) -> dict[str, float]:
    """Returns `accuracy_vqa` and `accuracy_blip`: the share of pairs equal in each style.

    Args:
      pairs: annotation row and prediction; at least one.
    """
    right, count = dict.fromkeys(STYLES, 0), 0
    for row, prediction in pairs:
        count += 1
        for name, style in STYLES.items():
            right[name] += style(str(row["answer"])) == style(prediction)
    return {f"accuracy_{name}": right[name] / count for name in STYLES}
