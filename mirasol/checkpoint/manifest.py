"""The manifest: what a checkpoint holds, and the mark that it is complete.

It is the last file written into a checkpoint, one JSON object with its own checksum. A folder
without a valid one is no checkpoint.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from mirasol.checkpoint.errors import CheckpointError
from mirasol.checkpoint.files import FileEntry, file_faults
from mirasol.checkpoint.places import Place, place

Folder = str | os.PathLike | Place

ARRAYS = "arrays"
FILE_NAME = "manifest.json"
_FORMAT = "mirasol.checkpoint"
_VERSION = 2


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
      files: every file but the manifest, by path relative to the checkpoint.
      saved: when, in UTC, ISO 8601; "" where it is not known.
      checksum: of one that was read: SHA-256 of the rest of it.
    """

    arrays: Mapping[str, ArrayEntry]
    values: Mapping[str, Any]
    files: Mapping[str, FileEntry]
    saved: str = ""
    checksum: str = dataclasses.field(default="", compare=False)

    @property
    def names(self) -> list[str]:
        """The names of all arrays and values."""
        return [*self.arrays, *self.values]

    def write(self, folder: Folder) -> None:
        """Writes the manifest into `folder`."""
        content = {"format": _FORMAT, "version": _VERSION, **dataclasses.asdict(self)}
        content["checksum"] = _checksum(content)
        place(folder).write(FILE_NAME, _text(content).encode())


def read_manifest(folder: Folder) -> Manifest:
    """Reads and checks a manifest, and every file that it lists, as far as chunks go unread.

    Raises:
      CheckpointError: names the folder and what is wrong with it.
      PermissionError: what is there cannot be told. It is no checkpoint to pass over: a run that
        did would begin anew beside its own checkpoints.
    """
    manifest = read_contents(folder)
    if fault := file_fault(folder, manifest):
        raise CheckpointError(f"{folder} is damaged: its file {fault}")
    return manifest


def file_fault(folder: Folder, manifest: Manifest) -> str:
    """Returns name and fault of the first file that is not as it was written, "" if all are.

    Raises:
      PermissionError: as of `read_manifest`.
    """
    with _permission_told(folder):
        return " ".join(next(file_faults(place(folder), manifest.files), ()))


def read_contents(folder: Folder) -> Manifest:
    """Reads and checks a manifest alone; raises what `read_manifest` does."""
    path = f"{folder}/{FILE_NAME}"
    content = _content(place(folder))
    header = (content.get("format"), content.get("version"))
    if header not in _FILES:
        raise CheckpointError(
            f"{path} has format {header}; known are {', '.join(map(str, _FILES))}"
        )
    if content.get("checksum") != _checksum(content):
        raise CheckpointError(f"{path} is damaged: its checksum does not match")
    arrays = {
        name: ArrayEntry(tuple(entry["shape"]), entry["dtype"], entry["bytes"])
        for name, entry in content["arrays"].items()
    }
    files = {name: _FILES[header](entry) for name, entry in content["files"].items()}
    saved = content.get("saved", "")
    return Manifest(arrays, content["values"], files, saved, content["checksum"])


# How an entry of `files` is read. Of version 1 only the size is checked.
_FILES: dict[tuple[Any, Any], Callable[[Any], FileEntry]] = {
    (_FORMAT, 1): FileEntry.of_size,
    (_FORMAT, _VERSION): lambda entry: FileEntry(**entry),
}


def _content(folder: Place) -> dict[str, Any]:
    """Returns the JSON object of a manifest, in which every byte is as it was written."""
    path = f"{folder}/{FILE_NAME}"
    try:
        with _permission_told(folder):
            text = folder.read(FILE_NAME).decode("utf-8")
        content = json.loads(text)
    except FileNotFoundError as error:
        raise CheckpointError(f"{folder} is no complete checkpoint: no {FILE_NAME}") from error
    except PermissionError:
        raise
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} is damaged, it cannot be read: {error!r}") from error
    # Blanks, and numbers such as 1e5, may change and mean the same.
    if not isinstance(content, dict) or _text(content) != text:
        raise CheckpointError(f"{path} is damaged: it is not as it was written")
    return content


@contextlib.contextmanager
def _permission_told(folder: Folder) -> Iterator[None]:
    try:
        yield
    except PermissionError as error:
        raise PermissionError(
            error.errno,
            f"user {os.geteuid()} may not read the checkpoint; allow it (chown, chmod)",
            str(folder),
        ) from error


def _text(content: Mapping[str, Any]) -> str:
    return json.dumps(content, indent=1)


def _checksum(content: Mapping[str, Any]) -> str:
    rest = {name: entry for name, entry in content.items() if name != "checksum"}
    text = json.dumps(rest, sort_keys=True, separators=(",", ":"))
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def now() -> str:
    """Returns the time in UTC, as manifests state it."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
