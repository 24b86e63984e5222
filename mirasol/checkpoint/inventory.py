"""The checkpoints that a folder holds: which are complete, which is newest, which damaged."""

from __future__ import annotations

import re
from pathlib import Path

from absl import logging

from mirasol.checkpoint.draft import set_aside
from mirasol.checkpoint.manifest import CheckpointError, read_manifest

_STEP = re.compile(r"step_(\d{8,})")


class DamagedCheckpointError(CheckpointError):
    """A checkpoint that its manifest calls complete, and that cannot be read."""


class Inventory:
    """The checkpoints of one folder. Making one touches nothing.

    Args:
      directory: of the checkpoints; need not be there.
    """

    def __init__(self, directory: Path):
        self.directory = directory
        self._damaged: dict[int, str] = {}

    def folder(self, step: int) -> Path:
        """Returns the folder of a step's checkpoint, whether it is there or not.

        Raises:
          ValueError: the step is below 0.
        """
        if step < 0:
            raise ValueError(f"step is {step}; it must be 0 or more")
        return self.directory / f"step_{step:08d}"

    def named_steps(self) -> list[int]:
        """Returns the steps of all folders that bear a checkpoint's name, oldest first."""
        if not self.directory.is_dir():
            return []
        names = [_STEP.fullmatch(path.name) for path in self.directory.iterdir()]
        return sorted(int(name[1]) for name in names if name)

    def steps(self) -> list[int]:
        """Returns the steps of all complete checkpoints, oldest first."""
        return [step for step in self.named_steps() if not self.fault(step)]

    def latest_step(self) -> int | None:
        """Returns the newest complete checkpoint's step, None if there is none.

        A newer one that is incomplete or damaged is passed over with a warning.
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
        chosen = self.latest_step() if step is None else step
        if chosen is None:
            faults = [self.fault(each) for each in self.named_steps()]
            raise CheckpointError(
                "; ".join([f"no complete checkpoint in {self.directory}", *faults])
            )
        if not self.folder(chosen).is_dir():
            raise CheckpointError(
                f"no checkpoint of step {chosen} in {self.directory}; there are: {self.steps()}"
            )
        return chosen

    def note_damage(self, step: int, fault: str) -> None:
        """Counts a checkpoint as no longer there, whatever its manifest says."""
        self._damaged[step] = fault

    def make_way(self, step: int) -> None:
        """Sets a damaged checkpoint of the step aside; refuses to replace a sound one."""
        folder = self.folder(step)
        if not folder.exists():
            return
        fault = self.fault(step)
        if not fault:
            raise CheckpointError(f"{folder} is complete already; remove it to save its step again")
        logging.warning("Setting %s aside as %s: %s", folder, set_aside(folder).name, fault)
        self._damaged.pop(step, None)

    def fault(self, step: int) -> str:
        """Returns what keeps a folder from being a complete checkpoint, "" if nothing does."""
        if step in self._damaged:
            return self._damaged[step]
        try:
            read_manifest(self.folder(step))
        except CheckpointError as error:
            return str(error)
        return ""
