"""The checkpoints that a folder holds: which are complete, which is newest, which damaged."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TypeVar

from absl import logging

from mirasol.checkpoint.conditions import FolderName, condition, folder_name
from mirasol.checkpoint.errors import CheckpointError
from mirasol.checkpoint.manifest import Manifest
from mirasol.checkpoint.opened import DamagedCheckpointError, OpenCheckpoint
from mirasol.checkpoint.places import Place
from mirasol.checkpoint.processes import Processes

Read = TypeVar("Read")


class Inventory:
    """The checkpoints of one folder. Making one touches nothing.

    Args:
      place: of the checkpoints; need not be there.
    """

    def __init__(self, place: Place):
        self.place = place
        self._damaged: dict[int, str] = {}
        self._chosen: dict[int, Manifest] = {}

    def folder(self, step: int) -> Place:
        """Returns the folder of a step's checkpoint, whether it is there or not.

        Raises:
          ValueError: the step is below 0.
        """
        return self.place / folder_name(step)

    def named_steps(self) -> list[int]:
        """Returns the steps of all checkpoints that are complete or once were, oldest first."""
        names = [FolderName.read(name) for name in self.place.folders()]
        steps = sorted(name.step for name in names if name and not name.mark)
        return [step for step in steps if self.folder(step).was_complete()]

    def steps(self) -> list[int]:
        """Returns the steps of all complete checkpoints, oldest first."""
        return [step for step in self.named_steps() if not self.fault(step)]

    def latest_step(self) -> int | None:
        """Returns the newest complete checkpoint's step, None if there is none.

        A newer one that is damaged is passed over with a warning.
        """
        for step in reversed(self.named_steps()):
            fault = self.fault(step)
            if not fault:
                return step
            logging.warning("Passing over step %d: %s", step, fault)
        return None

    def choose(self, step: int | None) -> int:
        """Returns the step, or that of the newest complete checkpoint.

        Raises:
          CheckpointError: it is not there; tells what is.
        """
        self._chosen = {}  # Only what is read now holds for what is opened next.
        chosen = self.latest_step() if step is None else step
        if chosen is None:
            faults = [self.fault(each) for each in self.named_steps()]
            raise CheckpointError("; ".join([f"no complete checkpoint in {self.place}", *faults]))
        if not self.folder(chosen).was_complete():
            raise CheckpointError(
                f"no checkpoint of step {chosen} in {self.place}; there are: {self.steps()}"
            )
        return chosen

    def open(self, step: int) -> OpenCheckpoint:
        """Opens a checkpoint; one that was just chosen with the manifest that was read then.

        Raises:
          CheckpointError: it is not complete.
        """
        return OpenCheckpoint(step, self.folder(step), self._chosen.pop(step, None))

    def newest_sound(
        self, processes: Processes, step: int | None, read: Callable[[OpenCheckpoint], Read]
    ) -> Read:
        """Reads a checkpoint; by default the newest, or if it is damaged the next older one.

        Args:
          processes: that all call this.
          step: of the checkpoint; None: of the newest whose data are sound. One that turns out to
            be damaged is no longer there for this inventory, whatever its manifest says.
          read: is called with the open checkpoint; again with an older one if the first is damaged.

        Raises:
          CheckpointError: there is none, or what `read` raises.
        """
        while True:
            chosen = processes.decided(lambda: self.choose(step))
            opened = processes.agreed(functools.partial(self.open, chosen))
            try:
                return read(opened)
            except DamagedCheckpointError as error:
                if step is not None:
                    raise
                self._damaged[chosen] = str(error)

    def forget_damage(self, step: int) -> None:
        """Counts a checkpoint by its manifest again: it is another one now."""
        self._damaged.pop(step, None)

    def make_way(self, step: int) -> None:
        """Sets a damaged checkpoint of the step aside; refuses to replace a sound one."""
        folder = self.folder(step)
        if not folder.was_complete():
            return
        fault = self.fault(step)
        if not fault:
            raise CheckpointError(f"{folder} is complete already; remove it to save its step again")
        logging.warning("Setting %s aside as %s: %s", folder, folder.set_aside(), fault)

    def fault(self, step: int) -> str:
        """Returns what keeps a folder from being a complete checkpoint, "" if nothing does."""
        if step in self._damaged:
            return self._damaged[step]
        found = condition(self.folder(step))
        self._chosen = {step: found.manifest} if found.manifest else {}
        return found.fault
