"""Each schedule against its formula, written out anew."""

import math

import pytest

from mirasol.training.schedules import (
    Constant,
    InverseSquareRoot,
    WarmupCosine,
    WarmupLinear,
    WarmupStableDecay,
)

WARM = {"peak": 2.0, "warmup_steps": 4}


def rates(schedule, *steps):
    return [schedule(step) for step in steps]


@pytest.mark.parametrize(
    "schedule",
    [
        Constant(**WARM),
        WarmupLinear(**WARM, total_steps=12),
        WarmupCosine(**WARM, total_steps=12),
        InverseSquareRoot(**WARM),
        WarmupStableDecay(**WARM, total_steps=12, decay_steps=4),
    ],
    ids=lambda schedule: type(schedule).__name__,
)
def test_all_warm_up_alike_and_reach_the_peak(schedule):
    assert rates(schedule, 0, 1, 2, 3, 4) == [0.5, 1.0, 1.5, 2.0, 2.0]


def test_constant_stays():
    assert rates(Constant(peak=3.0), 0, 1, 10**6) == [3.0, 3.0, 3.0]


def test_linear_falls_along_a_line_and_stays_at_the_floor():
    schedule = WarmupLinear(**WARM, total_steps=12, floor=0.1)
    assert rates(schedule, 6, 8, 12, 99) == pytest.approx([2 * 0.775, 2 * 0.55, 0.2, 0.2])


def test_inverse_square_root_halves_with_four_times_the_steps():
    schedule = InverseSquareRoot(**WARM)
    assert rates(schedule, 16, 64) == pytest.approx([1.0, 0.5])
    # As T5: 1 / sqrt(max(step, 10,000)).
    t5 = InverseSquareRoot(peak=0.01, warmup_steps=0, time_scale=10_000)
    assert rates(t5, 0, 9_999) == [0.01, 0.01]
    assert t5(250_000) == pytest.approx(1 / math.sqrt(250_000))


@pytest.mark.parametrize(
    ("shape", "half"), [("linear", 0.5), ("sqrt", 1 - math.sqrt(0.5)), ("cosine", 0.5)]
)
def test_warmup_stable_decay_is_level_until_its_last_steps(shape, half):
    schedule = WarmupStableDecay(**WARM, total_steps=20, decay_steps=8, shape=shape, floor=0.2)
    assert rates(schedule, 4, 11, 12) == [2.0, 2.0, 2.0]
    assert rates(schedule, 16, 20, 99) == pytest.approx([2 * (0.2 + 0.8 * half), 0.4, 0.4])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Constant(peak=0), "Constant.peak is 0; LEARNING_RATE must be above 0"),
        (lambda: WarmupLinear(**WARM, total_steps=3), "more than total_steps 3"),
        (lambda: WarmupLinear(**WARM, total_steps=9, floor=2.0), "floor is 2.0"),
        (lambda: InverseSquareRoot(peak=1.0, warmup_steps=0), "time_scale is None"),
        (
            lambda: InverseSquareRoot(peak=1.0, warmup_steps=9, time_scale=8),
            "time_scale is 8 and warmup_steps 9",
        ),
        (lambda: WarmupStableDecay(**WARM, total_steps=6, decay_steps=3), "lower one of them"),
        (lambda: Constant(peak=1.0, warmup_steps=-1), "WARMUP_STEPS must be 0 or more"),
    ],
)
def test_what_cannot_be_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_decay_of_no_stated_length_is_a_tenth_of_all_steps():
    schedule = WarmupStableDecay(**WARM, total_steps=95)
    assert rates(schedule, 85, 90, 95) == pytest.approx([2.0, 1.0, 0.0])
