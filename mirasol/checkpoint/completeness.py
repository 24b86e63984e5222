"""Whether all of a checkpoint was written, and is still there."""

from __future__ import annotations

import errno
import itertools
from collections.abc import Mapping

from torch.distributed.checkpoint.storage import WriteResult

from mirasol.checkpoint.arrays import ArrayFolder
from mirasol.checkpoint.errors import CheckpointError
from mirasol.checkpoint.files import FileEntry, file_entries
from mirasol.checkpoint.manifest import ARRAYS, ArrayEntry
from mirasol.checkpoint.places import Place


def written_files(folder: Place, arrays: Mapping[str, ArrayEntry]) -> dict[str, FileEntry]:
    """Returns the files that were written, and makes sure that they are all there.

    Raises:
      FileNotFoundError: something removed or cut one of them in the meantime.
    """
    if not arrays:
        return file_entries(folder, {})
    try:
        found = ArrayFolder(folder / ARRAYS).index()
    except ValueError as error:
        raise FileNotFoundError(errno.ENOENT, f"cannot be read: {error}", str(folder)) from error
    for name, entry in arrays.items():
        if found.bytes.get(name, 0) < entry.bytes:
            raise FileNotFoundError(errno.ENOENT, f"holds no {name!r} any more", str(folder))
    return file_entries(folder, {f"{ARRAYS}/{name}": spans for name, spans in found.spans.items()})


def require_written(arrays: Mapping[str, ArrayEntry], results: list[list[WriteResult]]) -> None:
    """Raises CheckpointError if the processes did not write every byte of every array."""
    written = dict.fromkeys(arrays, 0)
    for result in itertools.chain.from_iterable(results):
        written[result.index.fqn] += result.size_in_bytes
    short = [name for name, entry in arrays.items() if written[name] != entry.bytes]
    if short:
        raise CheckpointError(f"not written in full, nothing is saved: {', '.join(short)}")
