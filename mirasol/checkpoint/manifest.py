"""The manifest: what a checkpoint holds, and the mark that it is complete.

It is the last file written into a checkpoint, one JSON object with its own checksum. A folder
without a valid one is no checkpoint.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ARRAYS = "arrays"
FILE_NAME = "manifest.json"
_FORMAT = "mirasol.checkpoint"
_VERSION = 1


class CheckpointError(ValueError):
    """A checkpoint that is absent, incomplete, damaged, or does not fit."""


@dataclasses.dataclass(frozen=True)
class ArrayEntry:
    """One array: its shape, its dtype by zarr3's name, and its size in bytes."""

    shape: tuple[int, ...]
    dtype: str
    bytes: int

    def __str__(self) -> str:
        return f"{self.dtype}{list(self.shape)}"


@dataclasses.dataclass(frozen=True)
class Manifest:
    """The contents of one checkpoint.

    Attributes:
      arrays: by name.
      values: everything that is not a tensor, by name.
      files: sizes in bytes by path relative to the checkpoint, every file but the manifest.
    """

    arrays: Mapping[str, ArrayEntry]
    values: Mapping[str, Any]
    files: Mapping[str, int]

    @property
    def names(self) -> list[str]:
        """The names of all arrays and values."""
        return [*self.arrays, *self.values]

    def write(self, folder: Path) -> None:
        """Writes the manifest into `folder`."""
        content = {"format": _FORMAT, "version": _VERSION, **dataclasses.asdict(self)}
        content["checksum"] = _checksum(content)
        (folder / FILE_NAME).write_text(json.dumps(content, indent=1), encoding="utf-8")


def read_manifest(folder: Path) -> Manifest:
    """Reads and checks a manifest, and that every file it lists is there in full.

    Raises:
      CheckpointError: names the folder and what is wrong with it.
    """
    path = folder / FILE_NAME
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        checksum = content.pop("checksum")
        header = (content["format"], content["version"])
    except FileNotFoundError as error:
        raise CheckpointError(f"{folder} is no complete checkpoint: no {FILE_NAME}") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"cannot read {path}: {error!r}") from error
    if header != (_FORMAT, _VERSION):
        raise CheckpointError(f"{path} has format {header}; known is {(_FORMAT, _VERSION)}")
    if checksum != _checksum(content):
        raise CheckpointError(f"{path} is damaged: its checksum does not match")
    arrays = {
        name: ArrayEntry(tuple(entry["shape"]), entry["dtype"], entry["bytes"])
        for name, entry in content["arrays"].items()
    }
    _check_files(folder, content["files"])
    return Manifest(arrays, content["values"], content["files"])


def file_sizes(folder: Path) -> dict[str, int]:
    """Returns the size in bytes of every file under `folder`, by relative path."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.stat().st_size for path in files}


def _check_files(folder: Path, files: Mapping[str, int]) -> None:
    for name, size in files.items():
        try:
            found = (folder / name).stat().st_size
        except OSError as error:
            raise CheckpointError(f"{folder} is damaged: cannot see its file {name}") from error
        if found != size:
            raise CheckpointError(
                f"{folder} is damaged: its file {name} has {found} bytes instead of {size}"
            )


def _checksum(content: Mapping[str, Any]) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
