"""Which reference is the i-th in training: found by arithmetic, without passing over those before.

    number i of a mixture -> (task, position in the task)       MixtureOrder
    position in the task  -> (epoch, stretch, place)            TaskOrder
    stretch               -> references                         stretches.py

Within a stretch of the task's own order references are shuffled anew each epoch. A set that lies in
memory is one stretch, so its shuffle is a true one.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mirasol.data.stretches import Features, Stretches

# Examples of a mixture whose tasks are drawn together; what comes before costs one draw a block.
_DRAWN = 65_536

# The last number of a generator's seed: what it is for. (Fewer numbers would be filled up with 0.)
_TASKS, _SHUFFLE, _STAND_IN = 1, 2, 3


class MixtureOrder:
    """Draws the task of each example by the rates, and says which of that task's examples it is.

    The tasks of a block of examples are as if drawn one by one: their counts are multinomial, and
    their order is a permutation. So the examples before a block are counted without being drawn.

    Args:
      rates: of the tasks, in any unit.
      seed: of the draws.
    """

    def __init__(self, rates: Sequence[float], seed: int) -> None:
        self._shares = np.asarray(rates, np.float64) / np.sum(rates)
        self._seed = seed
        self._before = [np.zeros(len(rates), np.int64)]  # Examples of each task before a block.
        self._block = -1
        self._tasks = self._positions = np.zeros(0, np.int64)

    def place(self, number: int) -> tuple[int, int]:
        """Returns the task of example `number` of the mixture, and the position in that task."""
        block, index = divmod(number, _DRAWN)
        if block != self._block:
            self._open(block)
        return int(self._tasks[index]), int(self._positions[index])

    def _open(self, block: int) -> None:
        while len(self._before) <= block:
            counts, _ = self._drawn(len(self._before) - 1)
            self._before.append(self._before[-1] + counts)
        counts, rng = self._drawn(block)
        self._tasks = rng.permutation(np.repeat(np.arange(len(counts)), counts))
        self._positions = np.empty(_DRAWN, np.int64)
        for task, first in enumerate(self._before[block]):
            self._positions[self._tasks == task] = first + np.arange(counts[task])
        self._block = block

    def _drawn(self, block: int) -> tuple[np.ndarray, np.random.Generator]:
        rng = np.random.default_rng((self._seed, 0, block, 0, _TASKS))
        return rng.multinomial(_DRAWN, self._shares), rng


class TaskOrder:
    """The references of one task by position, epoch after epoch, without end.

    Args:
      name: of the task and its split, for errors.
      stretches: its references; those of a stretch are shuffled among each other.
      seed: of the order: that of the run, and the number of the task.
      shuffle: False keeps the set's own order.
    """

    def __init__(
        self, name: str, stretches: Stretches, seed: tuple[int, int], shuffle: bool = True
    ) -> None:
        self._name, self._stretches = name, stretches
        self._seed, self._shuffle = seed, shuffle
        self._ordered: tuple[int, int] | None = None
        self._order = np.zeros(0, np.int64)

    def at(self, position: int, stand_in: int = 0) -> Features:
        """Returns the features of the reference at a position.

        Args:
          position: from 0, without end.
          stand_in: 0 for the reference itself; n for the n-th of those that may stand in for it,
            drawn from the same stretch.

        Raises:
          ValueError: the set is empty.
        """
        size = self._stretches.size(position)
        if size == 0:
            raise ValueError(f"{self._name} is empty")
        epoch, place = (0, position) if size is None else divmod(position, size)
        number, index = divmod(place, self._stretches.length)
        stretch = self._stretches.load(number)
        if stand_in:
            rng = np.random.default_rng((*self._seed, position, stand_in, _STAND_IN))
            return stretch[int(rng.integers(len(stretch)))]
        return stretch[self._shuffled(epoch, number, len(stretch))[index]]

    def _shuffled(self, epoch: int, number: int, length: int) -> np.ndarray | range:
        if not self._shuffle:
            return range(length)
        if self._ordered != (epoch, number):
            rng = np.random.default_rng((*self._seed, epoch, number, _SHUFFLE))
            self._order = rng.permutation(length)
            self._ordered = (epoch, number)
        return self._order


class TrainingOrder:
    """The references of a task or mixture in training, by number.

    Args:
      tasks: what is mixed.
      rates: of each.
      seed: of the draws among them.
    """

    def __init__(self, tasks: Sequence[TaskOrder], rates: Sequence[float], seed: int) -> None:
        self._tasks = tasks
        self._mixture = MixtureOrder(rates, seed)

    def at(self, number: int, stand_in: int = 0) -> Features:
        """Returns the features of reference `number`, or of the n-th that may stand in for it.

        A stand-in is of the same task, so that broken files do not shift the mixture.
        """
        task, position = self._mixture.place(number) if len(self._tasks) > 1 else (0, number)
        return self._tasks[task].at(position, stand_in)
