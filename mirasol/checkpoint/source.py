"""The checkpoint that another run begins with."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from mirasol.checkpoint.manager import CheckpointManager
from mirasol.checkpoint.manifest import FILE_NAME, CheckpointError, read_manifest
from mirasol.spelling import nearest

_CHECKPOINTS = "checkpoints"  # Of a workdir.


@dataclasses.dataclass(frozen=True)
class SourceCheckpoint:
    """One complete checkpoint, anywhere.

    Attributes:
      folder: absolute.
      step: of its run; None where it is of no run.
      checksum: of its manifest, and by it of all that the manifest lists.
    """

    folder: Path
    step: int | None
    checksum: str

    def told(self) -> dict[str, Any]:
        """Returns it as JSON values."""
        return {"folder": str(self.folder), "step": self.step, "checksum": self.checksum}


def find_checkpoint(source: str, step: int | None = None) -> SourceCheckpoint:
    """Returns a checkpoint of another run.

    Args:
      source: a workdir, the folder of its checkpoints, or one checkpoint.
      step: which of several; the newest complete one by default.

    Raises:
      CheckpointError: there is no such folder, no complete checkpoint in it, or none of that step.
    """
    folder = Path(source).expanduser().absolute()
    if not folder.is_dir():
        beside = folder.parent.iterdir() if folder.parent.is_dir() else ()
        hint = nearest(folder.name, [other.name for other in beside if other.is_dir()])
        raise CheckpointError(f"WarmStart.source: there is no folder {source!r}{hint}")
    if (folder / FILE_NAME).is_file():
        found = _checkpoint(folder)
        if step not in (None, found.step):
            raise CheckpointError(f"WarmStart.step is {step}; {folder} is of step {found.step}")
        return found
    directory = folder / _CHECKPOINTS if (folder / _CHECKPOINTS).is_dir() else folder
    return _checkpoint(_of_step(CheckpointManager(directory), step))


def _of_step(manager: CheckpointManager, step: int | None) -> Path:
    chosen = manager.latest_step() if step is None else step
    steps = manager.steps()
    if chosen is None or not steps:
        raise CheckpointError(f"WarmStart.source: no complete checkpoint in {manager.directory}")
    if chosen not in steps:
        raise CheckpointError(f"WarmStart.step is {step}; {manager.directory} has {steps}")
    return manager.directory / f"step_{chosen:08d}"


def _checkpoint(folder: Path) -> SourceCheckpoint:
    step = read_manifest(folder).values.get("step")
    content = json.loads((folder / FILE_NAME).read_text(encoding="utf-8"))
    return SourceCheckpoint(folder, step, content["checksum"])
