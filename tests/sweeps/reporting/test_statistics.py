"""Means, differences and intervals against computations that share no code with them."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import scipy.stats

from mirasol.sweeps.reporting import statistics
from mirasol.sweeps.reporting.statistics import (
    ClipDifferences,
    clip_interval,
    difference,
    seed_interval,
    summary,
)


def drawn_clips(seeds: int, clips: int = 60) -> ClipDifferences:
    generator = np.random.default_rng(7)
    asked_C = generator.integers(3, 9, clips).astype(float)
    right_SC = generator.integers(-2, 3, (seeds, clips)) + 0.3
    return ClipDifferences(np.round(right_SC), asked_C)


def test_mean_and_deviation_are_those_of_numpy():
    values = [0.5, 0.75, 0.7]
    found = summary(values)
    assert found.n == 3
    assert found.mean == pytest.approx(np.mean(values), abs=1e-15)
    assert found.deviation == pytest.approx(np.std(values, ddof=1), abs=1e-15)
    assert (summary([0.5]).deviation, summary([]).mean) == (None, None)


@pytest.mark.parametrize("seeds", [1, 3])
def test_an_interval_equals_its_definition_written_out(seeds):
    clips = drawn_clips(seeds)
    generator = np.random.default_rng(statistics.SEED)
    count, resamples = len(clips.asked_C), statistics.RESAMPLES
    seed_draws = generator.multinomial(seeds, [1 / seeds] * seeds, resamples)
    clip_draws = generator.multinomial(count, [1 / count] * count, resamples)
    values = []
    for times_of_seeds, times_of_clips in zip(seed_draws, clip_draws, strict=True):
        chosen_seeds = np.repeat(np.arange(seeds), times_of_seeds)
        chosen_clips = np.repeat(np.arange(count), times_of_clips)
        right = clips.right_SC[np.ix_(chosen_seeds, chosen_clips)].sum()
        values.append(right / (clips.asked_C[chosen_clips].sum() * seeds))
    expected = np.percentile(values, [2.5, 97.5])
    np.testing.assert_allclose(clip_interval(clips), expected, rtol=1e-12)


def test_an_interval_over_clips_is_that_of_scipy():
    clips = drawn_clips(1)
    found = scipy.stats.bootstrap(
        (clips.right_SC[0], clips.asked_C),
        lambda right, asked, axis: right.sum(axis=axis) / asked.sum(axis=axis),
        paired=True,
        method="percentile",
        n_resamples=20_000,
        rng=np.random.default_rng(1),
    ).confidence_interval
    # The ends of 2,000 draws swing by a few hundredths of the interval's width.
    width = found.high - found.low
    np.testing.assert_allclose(clip_interval(clips), tuple(found), atol=0.06 * width)


def test_an_interval_over_seeds_is_that_of_all_draws():
    each = np.array([0.01, 0.02, 0.06])
    draws = [np.mean(draw) for draw in itertools.product(each, repeat=3)]
    ends = np.quantile(draws, [0.025, 0.975], method="inverted_cdf")
    np.testing.assert_allclose(seed_interval(each), ends, atol=1e-12)


def test_seeds_widen_an_interval_in_which_they_differ():
    one, three = drawn_clips(1), drawn_clips(1)
    shifted = np.concatenate([three.right_SC - 1, three.right_SC, three.right_SC + 1])
    wide = clip_interval(ClipDifferences(shifted, three.asked_C))
    narrow = clip_interval(one)
    assert wide[1] - wide[0] > 1.3 * (narrow[1] - narrow[0])


def test_equal_answers_are_no_certainty():
    clips = ClipDifferences(np.zeros((2, 50)), np.full(50, 4.0))
    reach = 1 - 0.025 ** (1 / 50)
    assert clip_interval(clips) == pytest.approx((-reach, reach))
    assert clip_interval(ClipDifferences(np.ones((1, 1)), np.ones(1))) == (-1.0, 1.0)


@pytest.mark.parametrize(
    ("clips", "over", "reach"),
    [(50, "nothing, for nothing differs", 1 - 0.025 ** (1 / 50)), (1, "clips and seeds", 1.0)],
)
def test_equal_answers_are_said_to_be_unless_they_are_of_one_clip(clips, over, reach):
    equal = ClipDifferences(np.zeros((2, clips)), np.full(clips, 4.0))
    found = difference({0: 0.5, 1: 0.75}, {0: 0.5, 1: 0.75}, equal)
    assert (found.value, found.over, found.clips) == (0.0, over, clips)
    assert (found.low, found.high) == pytest.approx((-reach, reach))


def test_a_difference_is_of_the_seeds_that_both_have():
    found = difference({0: 0.9, 1: 0.8, 2: 0.1}, {0: 0.7, 1: 0.7, 3: 0.0}, None, "no answers")
    assert found.value == pytest.approx(0.15)
    assert (found.seeds, found.clips, found.over) == (2, 0, "seeds")
    assert found.low == pytest.approx(0.1)
    assert found.high == pytest.approx(0.2)
    assert found.remark == "no answers"


def test_without_anything_to_draw_there_is_no_interval():
    found = difference({0: 0.9}, {0: 0.7}, None)
    assert (found.low, found.high, found.over) == (None, None, "nothing")
    assert difference({0: 0.9}, {1: 0.7}, None) is None


def test_what_is_drawn_is_said():
    one, three = drawn_clips(1), drawn_clips(3)
    assert difference({4: 0.9}, {4: 0.7}, one).over == "clips"
    found = difference({0: 0.9, 1: 0.8, 2: 0.8}, {0: 0.7, 1: 0.7, 2: 0.7}, three)
    assert (found.over, found.seeds, found.clips) == ("clips and seeds", 3, 60)
    assert (found.low, found.high) == clip_interval(three)
