"""A checkpoint that is being read: into a state, or by name."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from typing import Any

from mirasol.checkpoint.errors import CheckpointError
from mirasol.checkpoint.exchange import load_tensors, read_tensors
from mirasol.checkpoint.manifest import Manifest
from mirasol.checkpoint.places import Place
from mirasol.checkpoint.processes import Processes
from mirasol.checkpoint.reader import TensorStoreReader
from mirasol.checkpoint.report import RestoreReport, compare
from mirasol.checkpoint.state import State, flatten
from mirasol.checkpoint.tied import own_memory, require_same_by_all_names
from mirasol.spelling import nearest


class DamagedCheckpointError(CheckpointError):
    """A checkpoint that its manifest calls complete, and that cannot be read."""


class OpenCheckpoint:
    """A checkpoint whose manifest has been read.

    Args:
      step: of it.
      folder: of it.
      manifest: of it, if it has just been read and checked.

    Raises:
      CheckpointError: it is not complete.
    """

    def __init__(self, step: int, folder: Place, manifest: Manifest | None = None):
        self.step, self.folder = step, folder
        self._reader = TensorStoreReader(folder, manifest=manifest)
        self.manifest = self._reader.manifest

    def fill(
        self, state: State, allow_unused: Iterable[str], processes: Processes
    ) -> RestoreReport:
        """Fills a state in place; `CheckpointManager.restore` says how.

        Args:
          state: nested dict of tensors and values.
          allow_unused: patterns of names that the state need not have.
          processes: that all call this, each with its shards.

        Raises:
          CheckpointError: it does not fit, nothing was changed; or it has two values of a tensor
            that goes by two names in the state, which is then partly filled.
          DamagedCheckpointError: a part of it cannot be read; the state is partly filled.
        """
        flat = flatten(state)
        report = compare(str(self.folder), self.step, self.manifest, flat)
        processes.agreed(lambda: report.require_fit(allow_unused))
        read = own_memory(flat.tensors)
        with self._damage_told():
            load_tensors(read, self._reader, processes.group)
        processes.agreed(lambda: require_same_by_all_names(flat.tensors, read, str(self.folder)))
        for name in flat.values:
            flat.set_value(name, self.manifest.values[name])
        return report

    def read(self, names: list[str] | None) -> dict[str, Any]:
        """Returns tensors, on the host, and values by name; None: all.

        Raises:
          CheckpointError: there is no such name.
          DamagedCheckpointError: a tensor cannot be read.
        """
        manifest = self.manifest
        names = manifest.names if names is None else names
        for name in names:
            if name not in manifest.names:
                raise CheckpointError(
                    f"no {name!r} in {self.folder}{nearest(name, manifest.names)}"
                )
        with self._damage_told():
            wanted = [name for name in manifest.arrays if name in names]
            tensors = read_tensors(self._reader, wanted)
        return {name: tensors[name] if name in tensors else manifest.values[name] for name in names}

    @contextlib.contextmanager
    def _damage_told(self) -> Iterator[None]:
        try:
            yield
        except CheckpointError as error:
            raise DamagedCheckpointError(f"{self.folder} is damaged: {error}") from error
