"""A small made-up taxonomy as a lexicon, and WUPS on it by its definition.

thing (1) > animal (2) > bird (3) > owl, gull (4)
                       > fish (3) > eel (4)
          > tool (2)   > saw (3)
A word's synset is the first of those it is listed with; "zzz" and "of" have none.
"""

from __future__ import annotations

import itertools
from math import prod

import numpy as np

from mirasol.evaluation.wups import Lexicon

PARENTS = {
    "thing": None,
    "animal": "thing",
    "tool": "thing",
    "bird": "animal",
    "fish": "animal",
    "owl": "bird",
    "gull": "bird",
    "eel": "fish",
    "saw": "tool",
}
STOP_WORDS = {"the", "a"}
WORDS = [*PARENTS, "zzz", "of", "the", "owls", "eels"]


def path(word):
    return [] if word is None else [*path(PARENTS[word]), word]


class Taxonomy(Lexicon):
    """Lemmas drop an "s"; similarity is 2 depth(common) / (depth(a) + depth(b))."""

    def words(self, text):
        return text.split()

    def lemmas(self, text):
        return [word.removesuffix("s") if word.endswith("ls") else word for word in text.split()]

    def similarity(self, first, second):
        if first not in PARENTS or second not in PARENTS:
            return 0.0
        one, two = path(first), path(second)
        common = sum(a == b for a, b in zip(one, two, strict=False))
        return 2 * common / (len(one) + len(two))


def content_words(text):
    """The lemmas that are no stop words."""
    lemmas = [word[:-1] if word in ("owls", "eels") else word for word in text.split()]
    return [word for word in lemmas if word not in STOP_WORDS]


def wups_by_definition(given, answer, alpha):
    """The formula over matrices, with its own lemmas and stop words."""
    one, two = content_words(given), content_words(answer)
    table = np.zeros((len(one), len(two)))
    for (i, a), (j, b) in itertools.product(enumerate(one), enumerate(two)):
        if a == b:
            table[i, j] = 1
        elif a in PARENTS and b in PARENTS:
            ancestors = set(path(a)) & set(path(b))
            value = 2 * len(ancestors) / (len(path(a)) + len(path(b)))
            table[i, j] = value if value >= alpha else value / 10
    ways = []
    for matrix in (table, table.T):
        maxima = [row.max() for row in matrix if row.size and row.max() > 0]
        ways.append(prod(maxima) if maxima else 0.0)
    return min(ways)
