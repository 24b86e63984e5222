"""Whether every byte of a checkpoint is as it was written."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping

from mirasol.checkpoint.arrays import ArrayFolder, chunks_of
from mirasol.checkpoint.errors import CheckpointError
from mirasol.checkpoint.files import file_faults
from mirasol.checkpoint.manifest import ARRAYS, FILE_NAME, ArrayEntry, read_contents
from mirasol.checkpoint.places import Place, place
from mirasol.checkpoint.transfers import settle
from mirasol.progress import progress_bar


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What was read of one checkpoint, and what of it is damaged.

    Attributes:
      folder: of the checkpoint.
      arrays: how many were read in full.
      bytes: of these.
      faults: what is wrong by the name of the array or file; empty if all is sound.
    """

    folder: Place
    arrays: int
    bytes: int
    faults: Mapping[str, str]

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong."""
        return not self.faults


def verify(where: str | os.PathLike | Place) -> Verdict:
    """Reads every byte of a checkpoint, one array after the other, past all damage.

    Host memory: the largest chunk.

    Raises:
      PermissionError: the checkpoint may not be read.
    """
    folder = place(where)
    try:
        manifest = read_contents(folder)
    except CheckpointError as error:
        return Verdict(folder, 0, 0, {FILE_NAME: str(error)})
    faults = dict(file_faults(folder, manifest.files))
    database = ArrayFolder(folder / ARRAYS)
    sound: list[ArrayEntry] = []
    title = f"verify {folder.name}"
    with progress_bar(total=len(manifest.arrays), title=title, unit="arrays", leave=False) as bar:
        for name, entry in manifest.arrays.items():
            try:
                _read(database, name, entry)
                sound.append(entry)
            except CheckpointError as error:
                faults[name] = str(error)
            bar.update()
    return Verdict(folder, len(sound), sum(entry.bytes for entry in sound), faults)


def _read(database: ArrayFolder, name: str, entry: ArrayEntry) -> None:
    """Reads one array, chunk after chunk; CheckpointError if any of it is damaged."""
    array = settle(database.open(name), f"cannot open array {name!r}")
    found = ArrayEntry(tuple(array.shape), array.dtype.name, entry.bytes)
    if found != entry:
        raise CheckpointError(f"array {name!r} is {found} instead of {entry}")
    for chunk in chunks_of(array):
        settle(chunk.read(), f"cannot read array {name!r}")
