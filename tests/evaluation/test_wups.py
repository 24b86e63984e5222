"""WUPS against its definition computed another way, on a small made-up taxonomy.

thing (1) > animal (2) > bird (3) > owl, gull (4)
                       > fish (3) > eel (4)
          > tool (2)   > saw (3)
A word's synset is the first of those it is listed with; "zzz" and "of" have none.
"""

from __future__ import annotations

import itertools
from math import prod

import numpy as np
import pytest

from mirasol.evaluation.wups import Lexicon, wups, wups_by_type

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
VOCABULARY = [*PARENTS, "zzz", "of", "the", "owls", "eels"]
TYPES = ["CW", "CH", "TN", "TC", "DB", "DC", "DL", "DO"]


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


TAXONOMY = Taxonomy()


@pytest.mark.parametrize(
    ("given", "answer", "alpha", "expected"),
    [
        ("owl", "owl", 0.9, 1.0),
        ("owl", "gull", 0.0, 2 * 3 / 8),
        ("owl", "gull", 0.9, 0.1 * 2 * 3 / 8),
        ("owl", "gull", 0.75, 0.75),  # Not below alpha.
        ("zzz", "zzz", 0.9, 1.0),  # Equal words need no synset.
        ("zzz", "owl", 0.0, 0.0),
        ("owl zzz", "owl", 0.0, 1.0),  # A word that nothing is like is left out.
        ("owl saw", "owl", 0.0, 2 * 1 / 7),  # One that little is like counts.
        ("", "owl", 0.0, 0.0),
        ("", "", 0.0, 0.0),
    ],
)
def test_by_hand(given, answer, alpha, expected):
    assert wups(given.split(), answer.split(), alpha, TAXONOMY) == pytest.approx(expected)
    assert wups(answer.split(), given.split(), alpha, TAXONOMY) == pytest.approx(expected)


def by_definition(given, answer, alpha):
    """The formula over matrices, with its own lemmas and stop words."""
    one, two = (
        [w[:-1] if w in ("owls", "eels") else w for w in text.split()] for text in (given, answer)
    )
    one, two = ([w for w in words if w not in STOP_WORDS] for words in (one, two))
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


def text(rng):
    return " ".join(rng.choice(VOCABULARY, size=rng.integers(0, 5)))


def table(count=300, seed=5):
    rng = np.random.default_rng(seed)
    rows, predictions = [], {}
    for i in range(count):
        row = {"id": f"v_{i}", "video_id": f"v{i // 5}", "type": TYPES[rng.integers(8)]}
        row["answer"] = text(rng)
        if rng.random() < 0.5:
            row["references"] = [text(rng)]
        rows.append(row)
        if rng.random() < 0.9:  # A tenth has no prediction.
            predictions[row["id"]] = row["answer"] if rng.random() < 0.2 else text(rng)
    return rows, predictions


@pytest.mark.parametrize("alpha", [0.0, 0.9])
def test_a_table_equals_the_definition(alpha):
    rows, predictions = table()
    assert "" in predictions.values()
    assert len(predictions) < len(rows)
    totals, asked = dict.fromkeys(["All", "C", "T", "D", *TYPES], 0.0), dict.fromkeys(TYPES, 0)
    for row in rows:
        if row["id"] not in predictions:
            continue
        answers, given = [row["answer"], *row.get("references", [])], predictions[row["id"]]
        if row["type"] in ("DC", "DB"):
            plain = [by_words(each) for each in [given, *answers]]
            value = float(plain[0] in plain[1:])
        else:
            value = max(by_definition(given, answer, alpha) for answer in answers)
        asked[row["type"]] += 1
        for name in ("All", row["type"][0], row["type"]):
            totals[name] += value
    answered = [row for row in rows if row["id"] in predictions]
    scores = wups_by_type(
        answered,
        [predictions[row["id"]] for row in answered],
        lexicon=TAXONOMY,
        stop_words=STOP_WORDS,
    )
    assert scores[f"wups_{alpha:g}"] == pytest.approx(totals["All"] / len(answered))
    for name in TYPES:
        assert scores[f"wups_{alpha:g}/{name}"] == pytest.approx(totals[name] / asked[name])
    for letter in "CTD":
        count = sum(number for name, number in asked.items() if name[0] == letter)
        assert scores[f"wups_{alpha:g}/{letter}"] == pytest.approx(totals[letter] / count)


def by_words(words):
    kept = [w[:-1] if w in ("owls", "eels") else w for w in words.split()]
    return [w for w in kept if w not in STOP_WORDS]


def test_alpha_0_is_never_below_alpha_9():
    rows, predictions = table(seed=8)
    answered = [row for row in rows if row["id"] in predictions]
    given = [predictions[row["id"]] for row in answered]
    scores = wups_by_type(answered, given, lexicon=TAXONOMY, stop_words=STOP_WORDS)
    assert scores["wups_0"] > scores["wups_0.9"] >= scores["accuracy"] * 0.5
