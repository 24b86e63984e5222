"""The checkpoint that another run begins with."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from absl import logging

from mirasol.checkpoint.errors import CheckpointError
from mirasol.checkpoint.manifest import FILE_NAME, read_manifest
from mirasol.checkpoint.places import Place, place
from mirasol.checkpoint.survey import newest


@dataclasses.dataclass(frozen=True)
class SourceCheckpoint:
    """One complete checkpoint, anywhere.

    Attributes:
      folder: absolute path, or URL.
      step: of its run; None where it is of no run.
      checksum: of its manifest, and by it of all that the manifest lists.
    """

    folder: str
    step: int | None
    checksum: str

    def told(self) -> dict[str, Any]:
        """Returns it as JSON values."""
        return dataclasses.asdict(self)


def find_checkpoint(source: str, step: int | None = None) -> SourceCheckpoint:
    """Returns a checkpoint of another run.

    Args:
      source: a workdir, the folder of its checkpoints, or one checkpoint; a path or a URL.
      step: which of several; the newest complete one by default.

    Raises:
      CheckpointError: there is no such folder, no complete checkpoint in it, or none of that step.
    """
    try:
        where = place(source if "://" in source else Path(source).expanduser())
        if where.has(FILE_NAME):
            return _only(where, step)
        folder, passed = newest(where, step, said="WarmStart.step = ")
    except CheckpointError:
        raise
    except ValueError as error:
        raise CheckpointError(f"WarmStart.source: {error}") from error
    for each in passed:
        logging.warning("Passing over %s: %s", each.folder, each.reason)
    return _checkpoint(folder)


def _only(folder: Place, step: int | None) -> SourceCheckpoint:
    found = _checkpoint(folder)
    if step not in (None, found.step):
        raise CheckpointError(f"WarmStart.step is {step}; {folder} is of step {found.step}")
    return found


def _checkpoint(folder: Place) -> SourceCheckpoint:
    manifest = read_manifest(folder)
    path = str(folder) if "://" in str(folder) else str(Path(str(folder)).absolute())
    return SourceCheckpoint(path, manifest.values.get("step"), manifest.checksum)
