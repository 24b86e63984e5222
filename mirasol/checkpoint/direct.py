"""Whole arrays read straight from local files into their tensors, in one pass over the bytes.

tensorstore reads any box of any array from any place, and goes over the bytes several times for it.
An array of one chunk in a local file, as nearly all are, needs none of that: zarr3 has it as

    file  ... | the array, row-major, little-endian | CRC-32C of it, 4 bytes | ...

so it is read to where it belongs, piece by piece, each summed while it is in the cache.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import crc32c
import numpy as np

from mirasol.checkpoint.errors import CheckpointError
from mirasol.checkpoint.index import Span

_PIECE = 1 << 20  # Bytes; two of them fit into the cache of a core.
_CRC = 4  # Bytes.
_THREADS = min(8, os.cpu_count() or 1)  # Reading and summing give up the interpreter's lock.


@dataclass(frozen=True)
class Direct:
    """An array to be read.

    Attributes:
      name: for errors.
      span: of its only chunk.
      memory: contiguous; is filled.
    """

    name: str
    span: Span
    memory: np.ndarray


def fits(span: Span, memory: np.ndarray) -> bool:
    """Returns whether a chunk holds just the bytes of an array, as they lie in memory."""
    return sys.byteorder == "little" and span.stop - span.start == memory.nbytes + _CRC


def read_all(folder: Path, reads: Iterable[Direct]) -> None:
    """Fills all arrays; several at a time.

    Args:
      folder: of the database.
      reads: what is read, each of which `fits`.

    Raises:
      CheckpointError: names an array that is damaged, or whose file is.
    """
    # As they lie, so that a disk is read forwards.
    ordered = sorted(reads, key=lambda each: (each.span.file, each.span.start))
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="restore") as pool:
        for _ in pool.map(lambda each: _read(folder / each.span.file, each), ordered):
            pass


def _read(path: Path, wanted: Direct) -> None:
    target = wanted.memory.reshape(-1).view(np.uint8).data
    checksum = 0
    try:
        with path.open("rb", buffering=0) as file:
            for start in range(0, len(target), _PIECE):
                piece = target[start : start + _PIECE]
                _fill(file.fileno(), piece, wanted.span.start + start)
                checksum = crc32c.crc32c(piece, checksum)
            stored = bytearray(_CRC)
            _fill(file.fileno(), memoryview(stored), wanted.span.stop - _CRC)
    except OSError as error:
        raise CheckpointError(f"cannot read array {wanted.name!r}: {error}") from error
    expected = int.from_bytes(stored, "little")
    if checksum != expected:
        raise CheckpointError(
            f"cannot read array {wanted.name!r}: Digest mismatch, its CRC-32C is {checksum:08x} "
            f"instead of {expected:08x}"
        )


def _fill(file: int, target: memoryview, offset: int) -> None:
    """Reads until the target is full; the system may return less than is asked for."""
    done = 0
    while done < len(target):
        count = os.preadv(file, [target[done:]], offset + done)
        if count == 0:
            raise OSError(f"the file ends at byte {offset + done}")
        done += count
