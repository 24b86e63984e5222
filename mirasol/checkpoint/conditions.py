"""What the folders of checkpoints are called, and in which condition one is; imports nothing heavy.

step_00000500                   a checkpoint, or what is left of one
step_00000500.incomplete-...    being written or removed, or abandoned (draft.py)
step_00000500.damaged-...       set aside: it was in the way of a new one
"""

from __future__ import annotations

import dataclasses
import re

from mirasol.checkpoint.errors import CheckpointError
from mirasol.checkpoint.manifest import FILE_NAME, Manifest, file_fault, read_contents
from mirasol.checkpoint.places import Place

COMPLETE, DAMAGED, INCOMPLETE = "complete", "damaged", "incomplete"
_NAME = re.compile(r"step_(?P<step>\d{8,})(?:\.(?P<mark>incomplete|damaged)-.*)?")


@dataclasses.dataclass(frozen=True)
class FolderName:
    """The name of a folder, read.

    Attributes:
      step: that it states.
      mark: "" of a checkpoint, else INCOMPLETE or DAMAGED.
    """

    step: int
    mark: str = ""

    @classmethod
    def read(cls, name: str) -> FolderName | None:
        """Returns what a name says; None if it is of no checkpoint."""
        found = _NAME.fullmatch(name)
        return cls(int(found["step"]), found["mark"] or "") if found else None


def folder_name(step: int) -> str:
    """Returns the name of a step's checkpoint.

    Raises:
      ValueError: the step is below 0.
    """
    if step < 0:
        raise ValueError(f"step is {step}; it must be 0 or more")
    return f"step_{step:08d}"


@dataclasses.dataclass(frozen=True)
class Condition:
    """Whether a folder is a checkpoint. Chunks of arrays are not read for it.

    Attributes:
      word: COMPLETE, DAMAGED or INCOMPLETE.
      reason: why it is not complete, "" if it is.
      fault: the same with the folder's path.
      manifest: of one that is complete.
    """

    word: str
    reason: str = ""
    fault: str = ""
    manifest: Manifest | None = None


def condition(folder: Place) -> Condition:
    """Returns a folder's condition.

    Raises:
      PermissionError: it may not be read. That is no fault of it, by which to pass it over.
    """
    try:
        manifest = read_contents(folder)
    except CheckpointError as error:
        if folder.has(FILE_NAME):
            return Condition(DAMAGED, str(error), str(error))
        return Condition(INCOMPLETE, f"no {FILE_NAME}", str(error))
    if reason := file_fault(folder, manifest):
        return Condition(DAMAGED, reason, f"{folder} is damaged: its file {reason}")
    return Condition(COMPLETE, manifest=manifest)
