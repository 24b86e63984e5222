"""The checkpoints of one run.

checkpoints/
  step_00000400/                      complete: it has a valid manifest
  step_00000500/
  step_00000600.incomplete-...        being written, or abandoned by a process that died
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from absl import logging
from torch import nn

from mirasol.checkpoint.arrays import torch_dtype
from mirasol.checkpoint.draft import abandoned_drafts, remove_whole, set_aside
from mirasol.checkpoint.exchange import load_tensors, save_tensors
from mirasol.checkpoint.manifest import CheckpointError, Manifest, read_manifest
from mirasol.checkpoint.reader import TensorStoreReader
from mirasol.checkpoint.report import RestoreReport, compare
from mirasol.checkpoint.state import State, flatten, prepare_optimizer, training_state
from mirasol.checkpoint.writer import TensorStoreWriter
from mirasol.spelling import nearest

_STEP = re.compile(r"step_(\d{8,})")


class CheckpointManager:
    """Saves, finds and restores the checkpoints of one folder.

    One process writes into the folder; any number read. Making a manager touches nothing.

    Args:
      directory: of the checkpoints; made by the first save.
      keep: how many of the newest checkpoints stay.

    Raises:
      ValueError: keep is below 1.
    """

    def __init__(self, directory: str | Path, keep: int = 2):
        if keep < 1:
            raise ValueError(f"keep is {keep}; it must be at least 1")
        self.directory = Path(directory)
        self.keep = keep

    def save(self, step: int, state: State) -> None:
        """Saves the state as that of `step`; when it returns, the checkpoint is on the disk.

        Then checkpoints older than the newest `keep` go, and what dead processes left incomplete.

        Args:
          step: steps done.
          state: nested dict of tensors (on any device) and JSON values.

        Raises:
          CheckpointError: the step is there already, or the write failed; older checkpoints stay.
        """
        folder = self._folder(step)
        flat = flatten(state)
        self._make_way(folder)
        writer = TensorStoreWriter(folder, flat.values)
        try:
            save_tensors(flat.tensors, writer)
        except BaseException:
            writer.discard()
            raise
        self.clean()
        for old in self.steps()[: -self.keep]:
            if old != step:
                remove_whole(self._folder(old))

    def clean(self) -> None:
        """Removes drafts whose writers provably died, and nothing else."""
        for path in abandoned_drafts(self.directory):
            logging.info("Removing %s: its writer died before it was complete", path)
            shutil.rmtree(path, ignore_errors=True)

    def steps(self) -> list[int]:
        """Returns the steps of all complete checkpoints, oldest first."""
        return [step for step in self._named_steps() if not _fault(self._folder(step))]

    def latest_step(self) -> int | None:
        """Returns the newest complete checkpoint's step, None if there is none.

        A newer one that is incomplete or damaged is passed over with a warning.
        """
        for step in reversed(self._named_steps()):
            fault = _fault(self._folder(step))
            if not fault:
                return step
            logging.warning("Passing over step %d: %s", step, fault)
        return None

    def manifest(self, step: int | None = None) -> Manifest:
        """Returns what a checkpoint (the newest by default) holds, without reading tensors."""
        return read_manifest(self._folder(self._choose(step)))

    def restore(
        self, state: State, step: int | None = None, allow_unused: Iterable[str] = ()
    ) -> RestoreReport:
        """Fills the state in place: its tensors' memory, and its values in their dicts.

        Args:
          state: as it was saved, or a part of it.
          step: of the checkpoint; the newest complete one by default.
          allow_unused: patterns of names that the checkpoint may hold beyond the state, such as
            "optimizer.*".

        Raises:
          CheckpointError: no such checkpoint; or it does not fit (one message lists every
            difference, and nothing was changed); or its data is damaged (the state is then
            partly filled: do not go on with it).
        """
        step = self._choose(step)
        folder = self._folder(step)
        flat = flatten(state)
        reader = TensorStoreReader(folder)
        report = compare(str(folder), step, reader.manifest, flat)
        report.require_fit(allow_unused)
        load_tensors(flat.tensors, reader)
        for name in flat.values:
            flat.set_value(name, reader.manifest.values[name])
        return report

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
          step: of the checkpoint; the newest complete one by default.
        """
        step = self._choose(step)
        prepare_optimizer(model, optimizer, self.manifest(step).arrays)
        state: State = {**training_state(model, optimizer), **values}
        report = self.restore(state, step)
        values.update({key: state[key] for key in values})
        return report

    def read(self, step: int | None = None, names: Iterable[str] | None = None) -> dict[str, Any]:
        """Returns tensors (on the host) and values by name; all of them by default."""
        folder = self._folder(self._choose(step))
        reader = TensorStoreReader(folder)
        manifest = reader.manifest
        names = manifest.names if names is None else list(names)
        for name in names:
            if name not in manifest.names:
                raise CheckpointError(f"no {name!r} in {folder}{nearest(name, manifest.names)}")
        tensors = {
            name: torch.empty(entry.shape, dtype=torch_dtype(entry.dtype))
            for name, entry in manifest.arrays.items()
            if name in names
        }
        load_tensors(tensors, reader)
        return {name: tensors[name] if name in tensors else manifest.values[name] for name in names}

    def _folder(self, step: int) -> Path:
        if step < 0:
            raise ValueError(f"step is {step}; it must be 0 or more")
        return self.directory / f"step_{step:08d}"

    def _named_steps(self) -> list[int]:
        if not self.directory.is_dir():
            return []
        names = [_STEP.fullmatch(path.name) for path in self.directory.iterdir()]
        return sorted(int(name[1]) for name in names if name)

    def _choose(self, step: int | None) -> int:
        chosen = self.latest_step() if step is None else step
        if chosen is None:
            raise CheckpointError(f"no complete checkpoint in {self.directory}")
        if not self._folder(chosen).is_dir():
            raise CheckpointError(
                f"no checkpoint of step {chosen} in {self.directory}; there are: {self.steps()}"
            )
        return chosen

    def _make_way(self, folder: Path) -> None:
        """Sets a damaged checkpoint of the same step aside; refuses to replace a sound one."""
        if not folder.exists():
            return
        fault = _fault(folder)
        if not fault:
            raise CheckpointError(f"{folder} is complete already; remove it to save its step again")
        logging.warning("Setting %s aside as %s: %s", folder, set_aside(folder).name, fault)


def _fault(folder: Path) -> str:
    """Returns what keeps the folder from being a complete checkpoint, "" if nothing does."""
    try:
        read_manifest(folder)
    except CheckpointError as error:
        return str(error)
    return ""
