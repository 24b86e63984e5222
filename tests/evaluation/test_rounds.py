"""Rounds of several processes, which are threads here: all answers once, in the order of one."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from mirasol.evaluation.evaluator import follow
from mirasol.evaluation.predictions import Answerer
from mirasol.evaluation.rounds import Rounds, Told
from mirasol.runtime.talk import ElsewhereError

BROKEN = 7


class Naming(Answerer):
    """Answers with the number of the batch."""

    classes = None

    def __call__(self, batch, clips):
        if batch == BROKEN:
            raise ValueError("batch 7 cannot be answered")
        return [[f"answer {batch}"]]


class Meeting:
    """What each of some threads tells, told to all."""

    def __init__(self, count: int):
        self.told: list = [None] * count
        self.barrier = threading.Barrier(count, timeout=20)

    def gathered(self, own: int, told: Told) -> list[Told]:
        self.told[own] = told
        self.barrier.wait()
        each = list(self.told)
        self.barrier.wait()
        return each


def rounds_of(batches: list[int], count: int) -> list[Rounds]:
    meeting = Meeting(count)
    return [
        Rounds(
            answer=Naming(),
            batches=[(batch, []) for batch in batches[own::count]],
            left_out=lambda own=own: own,
            gathered=lambda told, own=own: meeting.gathered(own, told),
        )
        for own in range(count)
    ]


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("batches", [0, 1, 3, 4])
def test_each_hears_all_answers_in_their_order(count, batches):
    each = rounds_of(list(range(batches)), count)
    with ThreadPoolExecutor(count) as pool:
        heard = list(pool.map(list, each))
    assert heard == [[[[f"answer {batch}"]] for batch in range(batches)]] * count
    assert {rounds.left_out for rounds in each} == {sum(range(count))}


def test_a_failure_ends_all_and_is_told_by_one():
    def error(rounds: Rounds) -> Exception:
        with pytest.raises((ValueError, ElsewhereError)) as caught:
            list(rounds)
        return caught.value

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(error, rounds_of([0, 1, 2, BROKEN, 4], 2))
    assert isinstance(first, ElsewhereError)
    assert str(second) == "batch 7 cannot be answered"


def test_who_follows_gets_the_metrics_of_who_leads():
    (rounds,) = rounds_of([0, 1], 1)
    assert follow(rounds, lambda decide: {"accuracy": 0.5}) == {"accuracy": 0.5}
