"""A key that stands twice in one dictionary of a gin text is told, wherever the dictionary is."""

from __future__ import annotations

import pytest

from mirasol.gin_keys import doubled_keys


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("a.b = {'x': 1, 'y': 2}\n", []),
        ("a.b = {'x': 1,\n 'x': 2}\n", [2]),
        ("a.b = {1: 'x', 2: 'x', 1: 'y'}\n", [1]),
        ("a.b = {'x': {'x': 1}, 'y': {'x': 1}}\n", []),  # Each has keys of its own.
        ("a.b = {'x': ['x', 'x'], 'y': ('x', 'x')}\n", []),
        ('a.b = {\n "x": 1,\n # A word.\n\n \'x\': 2,\n "x": 3}\n', [5, 6]),
        ("a.b = {-1: 'x', 1: 'y'}\n", []),
        ("a.b = {-1: 'x',\n -1: 'y'}\n", [2]),
        ("a.b = {'x' 'z': 1, 'y' 'z': 2}\n", []),
        ("a.b = {True: 1,\n False: 2, True: 3}\n", [2]),
        ("a.b = {@c.D(): 1, %E: 2, %F: 2, (1, 2): 3, (3, 2): 4}\n", []),
        ("a.b:\n  c = {'x': @d.E(), 'x': %F}\n", [2]),
    ],
)
def test_a_doubled_key_is_told_with_its_line(text, lines):
    found = list(doubled_keys(text))
    assert [line for line, _ in found] == lines
    assert all("stands twice, first in line" in said for _, said in found)
