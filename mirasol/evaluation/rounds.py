"""An evaluation in rounds: in each, every process answers a batch of its own, and tells the others.

    round     0           1
    process 0 batch 0     batch 2
    process 1 batch 1     nothing: there are three

So several have all answers in the order in which one gives them, and end together.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence

from mirasol.evaluation.predictions import Answerer, Batches, Observer, Prediction
from mirasol.runtime.talk import ElsewhereError

Gathered = Callable[["Told"], list["Told"]]
"""Returns what each process tells, in their order."""

Answered = list[list[Prediction]]
"""Per clip of a batch, its questions with their answers."""


@dataclasses.dataclass(frozen=True)
class Told:
    """What a process tells of a round.

    Attributes:
      answered: its batch; None: it has none left.
      left_out: its questions that were not asked so far.
      failed: whether it ends here, with an error.
    """

    answered: Answered | None
    left_out: int
    failed: bool = False


class Rounds:
    """Answers all batches.

    Args:
      answer: answers a batch.
      batches: of this process, with the clips of each.
      observers: see every batch of this process with its answers.
      left_out: how many questions of this process were not asked so far.
      gathered: between processes; by default there is but one.
      check: called before each round, by all; may break it off.

    Attributes:
      left_out: how many questions were not asked, of all processes; known behind the last round.
    """

    def __init__(
        self,
        *,
        answer: Answerer,
        batches: Batches,
        observers: Sequence[Observer] = (),
        left_out: Callable[[], int] = lambda: 0,
        gathered: Gathered = lambda told: [told],
        check: Callable[[], None] = lambda: None,
    ):
        self.left_out = 0
        self._answer, self._batches, self._observers = answer, iter(batches), observers
        self._own_left_out, self._gathered, self._check = left_out, gathered, check

    def __iter__(self) -> Iterator[Answered]:
        """Yields batch after batch.

        Raises:
          ValueError: as `answer` does.
          ElsewhereError: another process has failed.
        """
        while answered := [told.answered for told in self._round() if told.answered is not None]:
            yield from answered

    def _round(self) -> list[Told]:
        self._check()
        failure: Exception | None = None
        answered = None
        try:
            answered = self._next()
        except Exception as error:  # The others would wait for this one.
            failure = error
        each = self._gathered(Told(answered, self._own_left_out(), failure is not None))
        if failure is not None:
            raise failure
        if any(told.failed for told in each):
            raise ElsewhereError("the evaluation failed in another process")
        self.left_out = sum(told.left_out for told in each)
        return each

    def _next(self) -> Answered | None:
        item = next(self._batches, None)
        if item is None:
            return None
        batch, clips = item
        answered = self._answer(batch, clips)
        for observer in self._observers:
            observer.see(batch, answered)
        return answered
