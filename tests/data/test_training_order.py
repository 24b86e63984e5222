"""Order by number, over sets that count how many of their references are read."""

from __future__ import annotations

import json

import numpy as np
import pytest

from mirasol.data.stretches import Listed, Streamed
from mirasol.data.table import Table
from mirasol.data.training_order import MixtureOrder, TaskOrder, TrainingOrder

BLOCK = 500


class LongSet:
    """A set of numbered references that notes how many it gives."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.given = 0

    def __call__(self, first: int):
        for start in range(first, self.size, BLOCK):
            numbers = range(start, min(start + BLOCK, self.size))
            self.given += len(numbers)
            yield self._block(numbers)

    @staticmethod
    def _block(numbers: range) -> dict:
        return {
            "media": np.array([b"%d.mp4" % n for n in numbers], object),
            "start": np.full(len(numbers), np.nan, np.float32),
            "end": np.array(numbers, np.float32),
            "rows": [[json.dumps({"n": n}).encode()] * (n % 3 + 1) for n in numbers],
        }

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> dict:
        self.given += 1
        table = Table()
        table.append(self._block(range(index, index + 1)))
        return table[0]


def order(long: LongSet, stretch: int | None = None, **options) -> TaskOrder:
    """Returns the order of a set that is streamed in such stretches; None: of one in memory."""
    stretches = Listed(long) if stretch is None else Streamed(long, stretch)
    return TaskOrder("the split", stretches, (0, 0), **options)


def number(features) -> int:
    return int(features["media"].removesuffix(b".mp4"))


def numbers(task: TaskOrder, count: int, first: int = 0) -> list[int]:
    return [number(task.at(position)) for position in range(first, first + count)]


def test_a_reference_comes_out_as_it_went_in():
    features = order(LongSet(1200), 1000, shuffle=False).at(1100)
    assert features["media"] == b"1100.mp4"
    assert np.isnan(features["start"]) and features["end"] == 1100
    assert features["rows"] == [b'{"n": 1100}'] * 3


@pytest.mark.parametrize("stretch", [None, 1000, 3000])
def test_each_epoch_is_whole_and_newly_shuffled(stretch):
    task = order(LongSet(2300), stretch)
    first, second = numbers(task, 2300), numbers(task, 2300, 2300)
    assert sorted(first) == sorted(second) == list(range(2300))
    assert first != second
    assert first != list(range(2300))


def test_a_stream_that_ends_with_a_stretch_comes_round():
    task = order(LongSet(2000), 1000)
    seen = numbers(task, 4000)
    assert sorted(seen[:2000]) == sorted(seen[2000:]) == list(range(2000))


def test_the_sets_own_order_can_be_kept():
    task = order(LongSet(1200), 1000, shuffle=False)
    assert numbers(task, 2400) == [*range(1200)] * 2


@pytest.mark.parametrize("stretch", [None, 1000])
def test_an_empty_set_is_named(stretch):
    with pytest.raises(ValueError, match="the split is empty"):
        order(LongSet(0), stretch).at(0)


SIZES = (60_000, 45_000)


def mixture(sets: list[LongSet], stretch: int | None) -> TrainingOrder:
    return TrainingOrder([order(each, stretch) for each in sets], [2.0, 1.0], seed=3)


@pytest.mark.parametrize(
    ("stretch", "at_most"),
    [
        (None, (40, 40)),  # The very references that are wanted.
        (10_000, [size + 10_000 for size in SIZES]),  # A stretch, and once the length of a stream.
    ],
)
def test_starting_at_reference_200_000_reads_little(stretch, at_most):
    unbroken = mixture([LongSet(size) for size in SIZES], stretch)
    for number_there in range(0, 200_000, 1 if stretch else 100):
        unbroken.at(number_there)
    sets = [LongSet(size) for size in SIZES]
    resumed = mixture(sets, stretch)
    for number_there in range(200_000, 200_040):
        assert resumed.at(number_there)["media"] == unbroken.at(number_there)["media"]
    assert all(each.given <= most for each, most in zip(sets, at_most, strict=True))


def test_far_into_a_stream_only_a_stretch_is_read():
    long = LongSet(100_000)
    task = order(long, 10_000)
    assert 50_000 <= number(task.at(55_000)) < 60_000
    assert long.given == 10_000
    numbers(task, 10_000, 55_000)  # Into the next one, which follows in the same reading.
    assert long.given == 20_000


def test_stand_ins_are_of_the_same_stretch_and_differ():
    task = order(LongSet(5000), 1000)
    own = numbers(task, 50, 2000)
    others = [[number(task.at(position, n)) for n in (1, 2)] for position in range(2000, 2050)]
    assert all(2000 <= each < 3000 for pair in others for each in pair)
    assert len({each for pair in others for each in pair}) > 80
    fresh = order(LongSet(5000), 1000)
    assert [[number(fresh.at(p, n)) for n in (1, 2)] for p in range(2000, 2050)] == others
    assert numbers(task, 50, 2000) == own


def test_a_mixture_counts_what_each_task_has_given():
    drawn = MixtureOrder([3, 1, 0.001], seed=1)
    places = [drawn.place(i) for i in range(140_000)]
    for task in range(3):
        positions = [position for which, position in places if which == task]
        assert positions == list(range(len(positions)))
    share = sum(which == 0 for which, _ in places) / len(places)
    assert share == pytest.approx(0.75, abs=0.01)
    assert MixtureOrder([3, 1, 0.001], seed=1).place(139_999) == places[-1]
    other = MixtureOrder([3, 1, 0.001], seed=2)
    assert [other.place(i) for i in range(100)] != places[:100]
