"""The checkpoints of one run.

checkpoints/
  step_00000400/                      complete: it has a valid manifest
  step_00000500/
  step_00000600.incomplete-...        being written, or abandoned by a process that died

They lie in a local folder or in an object store, which differ in how a checkpoint is written,
removed and set aside, and in nothing else (places.py).
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Collection, Iterable
from typing import Any

import torch
from torch import nn

from mirasol.checkpoint.background import Background
from mirasol.checkpoint.host_copy import HostCopy
from mirasol.checkpoint.inventory import Inventory
from mirasol.checkpoint.manifest import Manifest, read_manifest
from mirasol.checkpoint.opened import OpenCheckpoint
from mirasol.checkpoint.places import Place, place
from mirasol.checkpoint.processes import Alone, Processes, processes_here
from mirasol.checkpoint.report import RestoreReport
from mirasol.checkpoint.retention import Retention
from mirasol.checkpoint.saver import Saver
from mirasol.checkpoint.state import State, flatten, prepare_optimizer, training_state
from mirasol.checkpoint.transfers import do_nothing
from mirasol.runtime.base import Fetch


class CheckpointManager:
    """Saves, finds and restores the checkpoints of one folder.

    One run writes into the folder; any number of processes read. Making a manager touches nothing.

    Where torch.distributed is initialized, all its processes make a manager and call `save`,
    `save_async`, `restore` and `restore_training` together, in the same order, each with its
    shards; they must see the same folder. What fails in one is raised in all. All else each does
    by itself.

    Args:
      directory: of the checkpoints, a path or an address (gs://, s3://); made by the first save.
      keep: how many of the newest checkpoints stay.
      keep_every: besides, those of a step that this divides stay; None: no others.
      fetch: copies tensors to the host, by name; None: one by one, into the same memory again.

    Raises:
      ValueError: a number below 1, or an address of no kind that is known.
    """

    def __init__(
        self,
        directory: str | os.PathLike | Place,
        keep: int = 2,
        keep_every: int | None = None,
        *,
        fetch: Fetch | None = None,
    ):
        self.place = place(directory)
        self._inventory = Inventory(self.place)
        self._saver = Saver(self._inventory, Retention(keep, keep_every))
        self._background = Background()
        self._host_copy = HostCopy(fetch)

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
        self._saver.make_way(step, self._processes)
        tensors = self._host_copy.brought(flat.tensors)
        self._saver.save(step, tensors, flat.values, protect, self._processes)

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
        `wait_until_finished` or `close`: a CheckpointError where disk or store refuse.

        Args:
          step, state, protect: as of `save`; the state may change when this returns.
          first: called in that thread before anything is written.

        Raises:
          CheckpointError: the step is there already, or the save before failed.
        """
        self.wait_until_finished()
        flat = flatten(state)
        self._saver.make_way(step, self._processes)
        tensors = self._host_copy.take(flat.tensors)

        def write() -> None:
            self._processes.agreed(first)
            self._saver.save(step, tensors, flat.values, protect, self._processes)

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
        self._saver.clean()

    def steps(self) -> list[int]:
        """Returns the steps of all complete checkpoints, oldest first."""
        return self._inventory.steps()

    def latest_step(self) -> int | None:
        """Returns the newest complete checkpoint's step, None if there is none.

        A newer one that is damaged is passed over with a warning.
        """
        return self._inventory.latest_step()

    def is_empty(self) -> bool:
        """Returns whether no checkpoint was ever complete here, not even one now damaged."""
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
            difference, and nothing was changed); or none is sound, or it has two values of what is
            one tensor in the state (which is then partly filled: do not go on with it).
        """
        patterns = list(allow_unused)
        return self._inventory.newest_sound(
            self._processes, step, lambda opened: opened.fill(state, patterns, self._processes)
        )

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

        def fill(opened: OpenCheckpoint) -> RestoreReport:
            prepare_optimizer(model, optimizer, opened.manifest.arrays)
            state: State = {**training_state(model, optimizer), **values}
            report = opened.fill(state, [], self._processes)
            values.update({key: state[key] for key in values})
            return report

        return self._inventory.newest_sound(self._processes, step, fill)

    def read(self, step: int | None = None, names: Iterable[str] | None = None) -> dict[str, Any]:
        """Returns tensors (on the host) and values by name; all of them by default."""
        wanted = None if names is None else list(names)
        return self._inventory.newest_sound(Alone(), step, lambda opened: opened.read(wanted))

    @functools.cached_property
    def _processes(self) -> Processes:
        return processes_here()
