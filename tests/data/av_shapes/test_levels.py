"""Levels: the commonest value by hand, the odds of counts by a walk over every row of sounds."""

import collections
import itertools

import pytest

from mirasol.data.av_shapes.levels import COUNTS, commonest_odds, count_keep_probabilities

EVENTS, KINDS, PERSISTENCE = 4, 4, 0.3


def test_numbers_that_are_asked_come_equally_often():
    keep = count_keep_probabilities(EVENTS, KINDS, PERSISTENCE)
    odds = collections.Counter()
    for sounds in itertools.product(range(KINDS), repeat=EVENTS):
        probability = 1 / KINDS
        for earlier, later in itertools.pairwise(sounds):
            probability *= PERSISTENCE if earlier == later else (1 - PERSISTENCE) / (KINDS - 1)
        if sounds.count(0) < len(COUNTS):
            odds[sounds.count(0)] += probability * keep[sounds.count(0)]
    assert max(keep) == 1
    assert odds[0] == pytest.approx(odds[1]) == pytest.approx(odds[2])


@pytest.mark.parametrize(
    ("answer", "level"), [("red", 1 / 2), ("blue", 1 / 2), ("green", 0), ("yellow", 0)]
)
def test_of_two_that_are_as_common_one_is_named_by_lot(answer, level):
    assert commonest_odds({"red": 2, "green": 1, "blue": 2, "yellow": 0}, answer) == level


def test_the_commonest_is_named_and_nothing_else():
    counts = {"ring": 3, "cross": 1}
    assert [commonest_odds(counts, answer) for answer in counts] == [1, 0]
