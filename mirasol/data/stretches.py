"""A set's references in its own order, as stretches of which one at a time can be looked up.

Listed      one stretch: the set lies in memory, and any reference of it can be had at once
Streamed    |  stretch 0  |  stretch 1  |  2  |  read one after another, and kept in a table
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from mirasol.data.table import Block, Table

Features = dict[str, Any]
Read = Callable[[int], Iterator[Block]]


class References(Protocol):
    """References by number."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Features: ...


class Stretches(abc.ABC):
    """The references of a set.

    Attributes:
      length: references of a stretch; the last one of a set may be shorter.
    """

    length: int

    @abc.abstractmethod
    def size(self, needed: int) -> int | None:
        """Returns how many references the set has; None: not known, but more than are needed.

        Args:
          needed: the place of a reference that is wanted.
        """

    @abc.abstractmethod
    def load(self, number: int) -> References:
        """Returns the stretch of that number."""


class Listed(Stretches):
    """A set that lies in memory."""

    def __init__(self, references: References) -> None:
        self._references = references
        self.length = max(1, len(references))

    def size(self, needed: int) -> int:
        """Returns the length of the list."""
        return len(self._references)

    def load(self, number: int) -> References:
        """Returns the list."""
        return self._references


class Streamed(Stretches):
    """A set that is read from its beginning, or from any reference on, and of unknown length.

    Stretches that follow one another are read in one go. The length is known once the end has been
    seen; if a place beyond it is asked for first, the set is read through once, to be counted.

    Args:
      read: (references to leave out at the head) -> the rest in blocks.
      length: of a stretch: a multiple of the blocks' size.
    """

    def __init__(self, read: Read, length: int) -> None:
        self._read, self.length = read, length
        self._size: int | None = None
        self._rest: Iterator[Block] = iter(())
        self._loaded, self._table = -1, Table()

    def size(self, needed: int) -> int | None:
        """Reads the stretch of the place that is needed, where the end has not been seen."""
        number = needed // self.length
        if self._size is None and len(self.load(number)) < self.length:
            self._size = number * self.length + len(self._table)
            if not len(self._table):
                self._size = sum(len(block["media"]) for block in self._read(0))
        return self._size

    def load(self, number: int) -> References:
        """Reads the stretch, unless it is the one that was read last."""
        if number != self._loaded:
            if number != self._loaded + 1 or number == 0:
                self._rest = self._read(number * self.length)
            self._table = Table()
            while len(self._table) < self.length and (block := next(self._rest, None)):
                self._table.append(block)
            if len(self._table) < self.length:
                self._rest = iter(())  # Lets go of what the reading holds.
            self._loaded = number
        return self._table
