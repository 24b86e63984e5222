"""The checkpoints of one run.

checkpoints/
  step_00000400/                      complete: it has a valid manifest
  step_00000500/
  step_00000600.incomplete-...        being written, or abandoned by a process that died
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from absl import logging
from torch import nn

from mirasol.checkpoint.arrays import torch_dtype
from mirasol.checkpoint.background import Background
from mirasol.checkpoint.draft import abandoned_drafts, remove_whole
from mirasol.checkpoint.exchange import load_tensors, save_tensors
from mirasol.checkpoint.host_copy import HostCopy
from mirasol.checkpoint.inventory import DamagedCheckpointError, Inventory
from mirasol.checkpoint.manifest import CheckpointError, Manifest, read_manifest
from mirasol.checkpoint.reader import TensorStoreReader
from mirasol.checkpoint.report import RestoreReport, compare
from mirasol.checkpoint.retention import Retention
from mirasol.checkpoint.state import FlatState, State, flatten, prepare_optimizer, training_state
from mirasol.checkpoint.transfers import do_nothing
from mirasol.checkpoint.writer import TensorStoreWriter
from mirasol.spelling import nearest

Read = TypeVar("Read")


class CheckpointManager:
    """Saves, finds and restores the checkpoints of one folder.

    One process writes into the folder; any number read. Making a manager touches nothing.

    Args:
      directory: of the checkpoints; made by the first save.
      keep: how many of the newest checkpoints stay.
      keep_every: besides, those of a step that this divides stay; None: no others.

    Raises:
      ValueError: a number below 1.
    """

    def __init__(self, directory: str | Path, keep: int = 2, keep_every: int | None = None):
        self.directory = Path(directory)
        self._retention = Retention(keep, keep_every)
        self._inventory = Inventory(self.directory)
        self._background = Background()
        self._host_copy = HostCopy()

    def save(self, step: int, state: State, protect: Collection[int] = ()) -> None:
        """Saves the state as that of `step`; when it returns, the checkpoint is on the disk.

        Then older checkpoints go that nothing keeps, and what dead processes left incomplete.

        Args:
          step: steps done.
          state: nested dict of tensors (on any device) and JSON values.
          protect: steps whose checkpoints stay, however old.

        Raises:
          CheckpointError: the step is there already, or the write failed, this one or one before in
            the background; older checkpoints stay.
        """
        self.wait_until_finished()
        flat = flatten(state)
        self._inventory.make_way(step)
        self._write(step, flat.tensors, flat.values, protect)

    def save_async(
        self,
        step: int,
        state: State,
        protect: Collection[int] = (),
        first: Callable[[], None] = do_nothing,
    ) -> None:
        """Begins to save the state as that of `step`; returns when it is copied to the host.

        A thread writes the copy and prunes, as `save` does; a save still under way is waited for
        first. Its error is raised by the next call of this method, `save`, `check_error`,
        `wait_until_finished` or `close`.

        Args:
          step, state, protect: as of `save`; the state may change when this returns.
          first: called in that thread before anything is written.

        Raises:
          CheckpointError: the step is there already, or the save before failed.
        """
        self.wait_until_finished()
        flat = flatten(state)
        self._inventory.make_way(step)
        tensors = self._host_copy.take(flat.tensors)

        def write() -> None:
            first()
            self._write(step, tensors, flat.values, protect)

        self._background.start(f"the save of step {step}", write)

    def reserve(self, state: State) -> None:
        """Takes the host memory for the copies of `save_async`: the first one is then as quick."""
        self.wait_until_finished()
        self._host_copy.take(flatten(state).tensors)

    def check_error(self) -> None:
        """Raises CheckpointError if a save in the background has failed; does not wait for it."""
        self._background.check()

    def wait_until_finished(self) -> None:
        """Waits for a save in the background; raises CheckpointError if it failed."""
        self._background.wait()

    def close(self) -> None:
        """Waits for a save in the background and ends its thread; raises what it raised."""
        self._background.close()

    def clean(self) -> None:
        """Removes drafts whose writers provably died, and nothing else."""
        for path in abandoned_drafts(self.directory):
            logging.info("Removing %s: its writer died before it was complete", path)
            shutil.rmtree(path, ignore_errors=True)

    def steps(self) -> list[int]:
        """Returns the steps of all complete checkpoints, oldest first."""
        return self._inventory.steps()

    def latest_step(self) -> int | None:
        """Returns the newest complete checkpoint's step, None if there is none.

        A newer one that is incomplete or damaged is passed over with a warning.
        """
        return self._inventory.latest_step()

    def is_empty(self) -> bool:
        """Returns whether no folder bears a checkpoint's name, not even a damaged one."""
        return not self._inventory.named_steps()

    def manifest(self, step: int | None = None) -> Manifest:
        """Returns what a checkpoint (the newest by default) holds, without reading tensors."""
        return read_manifest(self._inventory.folder(self._inventory.choose(step)))

    def restore(
        self, state: State, step: int | None = None, allow_unused: Iterable[str] = ()
    ) -> RestoreReport:
        """Fills the state in place: its tensors' memory, and its values in their dicts.

        Args:
          state: as it was saved, or a part of it.
          step: of the checkpoint; by default the newest whose data are sound: one that turns out to
            be damaged is passed over with a warning that names it.
          allow_unused: patterns of names that the checkpoint may hold beyond the state, such as
            "optimizer.*".

        Raises:
          CheckpointError: no such checkpoint; or it does not fit (one message lists every
            difference, and nothing was changed); or none is sound (the state is then partly filled:
            do not go on with it).
        """
        patterns = list(allow_unused)
        return self._newest_sound(step, lambda chosen: self._fill(chosen, state, patterns))

    def restore_training(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        values: State,
        step: int | None = None,
    ) -> RestoreReport:
        """Restores what was saved as `{**training_state(model, optimizer), **values}`.

        Unlike `restore` with that state, it also works before the optimizer has any state.

        Args:
          model: filled in place.
          optimizer: of the model; filled in place.
          values: what was saved beside them; filled in place.
          step: of the checkpoint; by default the newest whose data are sound, as in `restore`.
        """

        def fill(chosen: int) -> RestoreReport:
            prepare_optimizer(model, optimizer, self.manifest(chosen).arrays)
            state: State = {**training_state(model, optimizer), **values}
            report = self._fill(chosen, state, [])
            values.update({key: state[key] for key in values})
            return report

        return self._newest_sound(step, fill)

    def read(self, step: int | None = None, names: Iterable[str] | None = None) -> dict[str, Any]:
        """Returns tensors (on the host) and values by name; all of them by default."""
        wanted = None if names is None else list(names)
        return self._newest_sound(step, lambda chosen: self._read(chosen, wanted))

    def _write(
        self,
        step: int,
        tensors: Mapping[str, torch.Tensor],
        values: Mapping[str, Any],
        protect: Collection[int],
    ) -> None:
        writer = TensorStoreWriter(self._inventory.folder(step), values)
        try:
            save_tensors(tensors, writer)
        except BaseException:
            writer.discard()
            raise
        logging.info("Saved %s", self._inventory.folder(step))
        self.clean()
        for old in self._retention.superseded(self.steps(), {step, *protect}):
            remove_whole(self._inventory.folder(old))

    def _newest_sound(self, step: int | None, read: Callable[[int], Read]) -> Read:
        """Reads a checkpoint; by default the newest, or if it is damaged the next older one."""
        if step is not None:
            return read(self._inventory.choose(step))
        while True:
            chosen = self._inventory.choose(None)
            try:
                return read(chosen)
            except DamagedCheckpointError as error:
                self._inventory.note_damage(chosen, str(error))

    def _fill(self, step: int, state: State, allow_unused: list[str]) -> RestoreReport:
        folder = self._inventory.folder(step)
        flat = flatten(state)
        reader = TensorStoreReader(folder)
        report = compare(str(folder), step, reader.manifest, flat)
        report.require_fit(allow_unused)
        _load(flat.tensors, reader)
        _set_values(flat, reader.manifest)
        return report

    def _read(self, step: int, names: list[str] | None) -> dict[str, Any]:
        folder = self._inventory.folder(step)
        reader = TensorStoreReader(folder)
        manifest = reader.manifest
        names = manifest.names if names is None else names
        for name in names:
            if name not in manifest.names:
                raise CheckpointError(f"no {name!r} in {folder}{nearest(name, manifest.names)}")
        tensors = {
            name: torch.empty(entry.shape, dtype=torch_dtype(entry.dtype))
            for name, entry in manifest.arrays.items()
            if name in names
        }
        _load(tensors, reader)
        return {name: tensors[name] if name in tensors else manifest.values[name] for name in names}


def _load(tensors: Mapping[str, torch.Tensor], reader: TensorStoreReader) -> None:
    try:
        load_tensors(tensors, reader)
    except CheckpointError as error:
        raise DamagedCheckpointError(f"{reader.folder} is damaged: {error}") from error


def _set_values(flat: FlatState, manifest: Manifest) -> None:
    for name in flat.values:
        flat.set_value(name, manifest.values[name])
