"""Levels of counts, against a walk over every sequence of sounds."""

import collections
import itertools

import pytest

from mirasol.data.av_shapes.levels import COUNTS, count_keep_probabilities, count_oracle

EVENTS, KINDS, PERSISTENCE = 4, 4, 0.3


def sequences():
    """Yields each sequence of sounds and its probability."""
    for sounds in itertools.product(range(KINDS), repeat=EVENTS):
        probability = 1 / KINDS
        for earlier, later in itertools.pairwise(sounds):
            probability *= PERSISTENCE if earlier == later else (1 - PERSISTENCE) / (KINDS - 1)
        yield sounds, probability


def test_numbers_that_are_asked_come_equally_often():
    keep = count_keep_probabilities(EVENTS, KINDS, PERSISTENCE)
    odds = collections.Counter()
    for sounds, probability in sequences():
        if sounds.count(0) < len(COUNTS):
            odds[sounds.count(0)] += probability * keep[sounds.count(0)]
    assert max(keep) == 1
    assert odds[0] == pytest.approx(odds[1]) == pytest.approx(odds[2])


def test_oracle_is_the_likeliest_number_given_the_bag():
    keep = count_keep_probabilities(EVENTS, KINDS, PERSISTENCE)
    odds = collections.defaultdict(collections.Counter)
    for sounds, probability in sequences():
        count = sounds.count(0)
        if count < len(COUNTS):
            odds[frozenset(sounds)][count] += probability * keep[count]
    assert odds
    for bag, counts in odds.items():
        level = count_oracle(EVENTS, KINDS, PERSISTENCE, len(bag), 0 in bag)
        assert level == pytest.approx(max(counts.values()) / counts.total())


def test_a_sound_that_does_not_occur_counts_zero():
    assert count_oracle(EVENTS, KINDS, PERSISTENCE, 2, False) == 1
    assert count_oracle(EVENTS, KINDS, PERSISTENCE, 4, True) == 1
    assert 0.5 < count_oracle(EVENTS, KINDS, PERSISTENCE, 3, True) < 1
