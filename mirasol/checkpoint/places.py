"""Where checkpoints lie: in a local folder, or under a prefix of an object store.

                 local folder                          gs://bucket/run/step_00000500
    is written   in a draft beside its name            in its place, a mark beside it
    is complete  when the draft is renamed to it       when its manifest, written last, is there
    is removed   renamed first, then file by file      manifest first, then the rest, marked alike

An object store has no rename, but writes an object whole or not at all. tensorstore's own drivers
speak to it; a local folder takes the file system's calls, for `fsync` and the rename. Drafts and
marks are named alike, after the process that is at work (draft.py).
"""

from __future__ import annotations

import abc
import os
from pathlib import Path

# file:// is a store of local files without a rename, for trials.
SCHEMES = ("gs", "s3", "file")


class Writing(abc.ABC):
    """A checkpoint that is being written: complete after `publish`, gone after `discard`."""

    place: Place

    @abc.abstractmethod
    def publish(self) -> None:
        """Makes what was written a checkpoint, durable when this returns."""

    @abc.abstractmethod
    def discard(self) -> None:
        """Removes what was written."""


class Place(abc.ABC):
    """A folder of checkpoints, a checkpoint, or a folder inside of one."""

    @property
    @abc.abstractmethod
    def name(self) -> str:
        """The last part of its path."""

    @abc.abstractmethod
    def __truediv__(self, name: str) -> Place: ...

    @abc.abstractmethod
    def exists(self) -> bool:
        """Returns whether there is such a folder."""

    @abc.abstractmethod
    def was_complete(self) -> bool:
        """Returns whether a checkpoint was complete here once, whatever has become of it."""

    @abc.abstractmethod
    def has(self, file: str) -> bool:
        """Returns whether there is such a file."""

    @abc.abstractmethod
    def folders(self) -> list[str]:
        """Returns the names of the folders directly inside, none where there is no such place."""

    @abc.abstractmethod
    def beside(self) -> list[Place]:
        """Returns the folders that lie beside this one, for hints; may know of none."""

    @abc.abstractmethod
    def files(self) -> list[str]:
        """Returns the names of all files below, relative to here."""

    @abc.abstractmethod
    def read(self, file: str, start: int = 0, stop: int | None = None) -> bytes:
        """Returns a file, or a part of it; fewer bytes where it is shorter.

        Raises:
          OSError: FileNotFoundError if it is not there, PermissionError if it may not be read.
        """

    @abc.abstractmethod
    def size(self, file: str, least: int) -> int:
        """Returns the size of a file in bytes; any number below `least` if it is below that."""

    @abc.abstractmethod
    def write(self, file: str, content: bytes) -> None:
        """Writes a file."""

    @abc.abstractmethod
    def begin(self, needed_bytes: int) -> Writing:
        """Begins to write a checkpoint that is to lie here and takes at least so many bytes.

        Raises:
          OSError: the place refuses.
        """

    @abc.abstractmethod
    def remove(self) -> None:
        """Removes what lies here so that no half of a checkpoint ever passes for one.

        Raises:
          OSError: a store refuses; a local folder stays then, with a warning.
        """

    @abc.abstractmethod
    def set_aside(self) -> Place:
        """Gives a damaged checkpoint another name, and returns where it is; nothing is lost."""

    @abc.abstractmethod
    def clean(self) -> list[str]:
        """Removes what was left inside by processes that provably died; returns the names."""

    @abc.abstractmethod
    def taken_bytes(self) -> int | None:
        """Returns the bytes of all files below, None where it takes reading them to know."""

    @abc.abstractmethod
    def free_bytes(self) -> int | None:
        """Returns how much room there is, None where nobody knows."""

    @abc.abstractmethod
    def local_path(self) -> Path | None:
        """Returns the place as a path that the system's calls take, None where it has none."""

    @abc.abstractmethod
    def spec(self) -> dict:
        """Returns the place as tensorstore's specification of a key-value store."""


def is_place(where: str | os.PathLike) -> bool:
    """Returns whether a path or a URL is of a kind that `place` knows."""
    scheme, mark, _ = os.fspath(where).partition("://")
    return not mark or scheme in SCHEMES


def place(where: str | os.PathLike | Place) -> Place:
    """Returns the place of a path or a URL.

    Raises:
      ValueError: a URL of a kind that is not known.
    """
    if isinstance(where, Place):
        return where
    text = os.fspath(where)
    # Here, as both import this module; and the second imports tensorstore.
    if "://" not in text:
        from mirasol.checkpoint.local_folder import LocalPlace

        return LocalPlace(Path(text))
    from mirasol.checkpoint.object_store import StorePlace

    return StorePlace(text)
