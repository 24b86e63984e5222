from __future__ import annotations

import pytest

from mirasol.evaluation.normalisers import blip_style, vqa_style


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The Red  boat", "red boat"),
        ("an apple, a pear", "apple pear"),
        ("two", "2"),
        ("None", "0"),
        ("1,000", "1000"),
        ("3.5 m.", "3.5 m"),
        ("red-blue", "red blue"),
        ("red - blue", "red blue"),
        ("dont", "don't"),
        ("isnt it?", "isn't it"),
        ("the", ""),
        ("", ""),
        ("dres", "dres"),
    ],
)
def test_vqa_style(text, expected):
    assert vqa_style(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The Red  boat.", "the red boat"),
        ('a "kite" (red)', "a kite red"),
        ("two", "two"),
        ("don't", "don't"),
        ("", ""),
    ],
)
def test_blip_style(text, expected):
    assert blip_style(text) == expected
