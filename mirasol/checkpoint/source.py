"""The checkpoint that another run begins with."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from absl import logging

from mirasol.checkpoint.errors import CheckpointError
from mirasol.checkpoint.manifest import FILE_NAME, read_manifest
from mirasol.checkpoint.survey import newest


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
    place = Path(source).expanduser()
    if (place / FILE_NAME).is_file():
        found = _checkpoint(place)
        if step not in (None, found.step):
            raise CheckpointError(f"WarmStart.step is {step}; {place} is of step {found.step}")
        return found
    try:
        folder, passed = newest(place, step)
    except CheckpointError:
        raise
    except ValueError as error:
        said = str(error).replace("--step=", "WarmStart.step = ")
        raise CheckpointError(f"WarmStart.source: {said}") from error
    for each in passed:
        logging.warning("Passing over %s: %s", each.folder, each.reason)
    return _checkpoint(folder)


def _checkpoint(folder: Path) -> SourceCheckpoint:
    step = read_manifest(folder).values.get("step")
    content = json.loads((folder / FILE_NAME).read_text(encoding="utf-8"))
    return SourceCheckpoint(folder.absolute(), step, content["checksum"])
