"""References in little memory: their text end to end, and where each piece of it ends.

A reference takes its own bytes and some 40 more; as Python objects or TensorFlow strings it takes
two to three times as much, in every worker.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping
from typing import Any

Block = Mapping[str, Any]
"""Features of consecutive references: `media` bytes [n], `start` and `end` float32 [n], and `rows`,
for each of the n an array of bytes."""


class Texts:
    """Byte strings by number."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._ends = array("q", [0])

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, index: int) -> bytes:
        return bytes(self._bytes[self._ends[index] : self._ends[index + 1]])

    def extend(self, texts: Iterable[bytes]) -> None:
        """Adds strings at the end."""
        for text in texts:
            self._bytes += text
            self._ends.append(len(self._bytes))


class Table:
    """References by number, as the features of references.py."""

    def __init__(self) -> None:
        self._media, self._rows = Texts(), Texts()
        self._first_row = array("q", [0])
        self._starts, self._ends = array("f"), array("f")

    def __len__(self) -> int:
        return len(self._media)

    def __getitem__(self, index: int) -> dict[str, Any]:
        rows = range(self._first_row[index], self._first_row[index + 1])
        return {
            "media": self._media[index],
            "start": self._starts[index],
            "end": self._ends[index],
            "rows": [self._rows[row] for row in rows],
        }

    def append(self, block: Block) -> None:
        """Adds a block at the end."""
        self._media.extend(block["media"])
        self._starts.extend(block["start"])
        self._ends.extend(block["end"])
        for rows in block["rows"]:
            self._rows.extend(rows)
            self._first_row.append(len(self._rows))
