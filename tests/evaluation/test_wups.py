"""WUPS by hand; against its definition, on a table: test_official_definitions.py."""

from __future__ import annotations

import numpy as np
import pytest
from taxonomy import STOP_WORDS, WORDS, Taxonomy

from mirasol.evaluation.wups import wups, wups_by_type

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


def test_alpha_0_is_never_below_alpha_9():
    rng = np.random.default_rng(8)
    texts = [" ".join(rng.choice(WORDS, size=rng.integers(1, 5))) for _ in range(400)]
    rows = [{"answer": text, "type": "CW", "video_id": i} for i, text in enumerate(texts[::2])]
    given = [texts[2 * i + 1] if i % 5 else texts[2 * i] for i in range(200)]
    scores = wups_by_type(rows, given, lexicon=TAXONOMY, stop_words=STOP_WORDS)
    assert scores["wups_0"] > scores["wups_0.9"] >= scores["accuracy"] * 0.5 > 0
