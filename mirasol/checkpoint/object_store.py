"""Checkpoints in object stores: gs://, s3://, and whatever else tensorstore has a driver for.

step_00000500/manifest.json          written last: it is complete
step_00000500/arrays/...
step_00000600/arrays/...             being written, as the mark says, or abandoned
step_00000600.incomplete-.../writer
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tensorstore as ts
from absl import logging

from mirasol.checkpoint.draft import aside_name, draft_name, is_abandoned, target_name
from mirasol.checkpoint.errors import CheckpointError
from mirasol.checkpoint.manifest import ARRAYS, FILE_NAME
from mirasol.checkpoint.places import SCHEMES, Place, Writing
from mirasol.spelling import nearest, some

_MARK = "writer"  # The object of a mark; what it says is in its folder's name.


class StorePlace(Place):
    """A prefix of an object store.

    Args:
      url: such as gs://bucket/run/checkpoints. Credentials are found as tensorstore finds them; for
        s3:// with the environment's AWS_ENDPOINT_URL, that is asked in place of AWS.

    Raises:
      ValueError: no such kind of URL.
    """

    def __init__(self, url: str):
        scheme, _, rest = url.partition("://")
        if scheme not in SCHEMES:
            known = ", ".join(f"{name}://" for name in SCHEMES)
            raise CheckpointError(
                f"{url}: no such store; there are {known}{nearest(scheme, SCHEMES)}"
            )
        self.url = f"{scheme}://{rest.rstrip('/')}"
        self._store = ts.KvStore.open(self.spec()).result()

    def __str__(self) -> str:
        return self.url

    @property
    def name(self) -> str:
        """The last part of its URL."""
        return self.url.rpartition("/")[2]

    def __truediv__(self, name: str) -> Place:
        return StorePlace(f"{self.url}/{name}")

    def exists(self) -> bool:
        """Returns whether any object lies below."""
        return bool(self.files())

    def was_complete(self) -> bool:
        """Returns whether a manifest, sound or not, is there."""
        return self.has(FILE_NAME)

    def has(self, file: str) -> bool:
        """Returns whether there is such an object."""
        only = ts.KvStore.KeyRange(file, f"{file}\0")
        with _told(f"{self.url}/{file}"):
            return bool(self._store.list(only).result())

    def beside(self) -> list[Place]:
        """Returns none: to look for them might take a list of the whole bucket."""
        return []

    def folders(self) -> list[str]:
        """Returns the first parts of the keys below that have more than one."""
        return sorted({file.partition("/")[0] for file in self.files() if "/" in file})

    def files(self) -> list[str]:
        """Returns all keys below, relative to here."""
        with _told(self.url):
            return sorted(key.decode() for key in self._store.list().result())

    def read(self, file: str, start: int = 0, stop: int | None = None) -> bytes:
        """Returns an object, or a part of it; OSError where the part is not there in full."""
        if start == stop:
            return b""
        with _told(f"{self.url}/{file}"):
            found = self._store.read(file, byte_range=slice(start, stop)).result()
        if found.state == "missing":
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), f"{self.url}/{file}")
        return found.value

    def size(self, file: str, least: int) -> int:
        """Returns the size of an object: stores tell it only by what lies behind `least`."""
        # From one byte before: a range that begins at the end is refused.
        start = max(least - 1, 0)
        return start + len(self.read(file, start)) if least else len(self.read(file))

    def write(self, file: str, content: bytes) -> None:
        """Writes an object, whole or not at all."""
        with _told(f"{self.url}/{file}"):
            self._store.write(file, content).result()

    def begin(self, needed_bytes: int) -> Writing:
        """Begins anew in place; what an attempt left that never got a manifest goes.

        Raises:
          CheckpointError: a checkpoint lies there, or objects that none wrote; nothing is removed.
        """
        if self.has(FILE_NAME):
            raise CheckpointError(f"{self} is complete already; remove it to save its step again")
        if strange := self._strange():
            raise CheckpointError(
                f"cannot save {self}: objects lie there that no checkpoint wrote: "
                f"{some(strange)}; move them, or choose another prefix"
            )
        mark = self._mark()
        self._delete_all()
        return _StoreWriting(self, mark)

    def remove(self) -> None:
        """Removes the checkpoint, its manifest first; a mark tells of it until it is done."""
        mark = self._mark()
        self._delete_all()
        mark._unmark()

    def set_aside(self) -> Place:
        """Copies all objects, since a store cannot rename, and removes them here."""
        aside = StorePlace(self._beside(aside_name(self.name)))
        strange = self._strange()
        for file in sorted(self.files(), key=lambda name: name == FILE_NAME):
            aside.write(file, self.read(file))
        self.remove()
        for file in strange:
            self._delete(file)
        return aside

    def clean(self) -> list[str]:
        """Removes marks of processes that provably died, and what has no manifest beside them."""
        abandoned = [name for name in self.folders() if is_abandoned(name)]
        for name in abandoned:
            left = StorePlace(f"{self.url}/{target_name(name)}")
            if not left.has(FILE_NAME):
                left._delete_all()
            StorePlace(f"{self.url}/{name}")._unmark()
        return abandoned

    def taken_bytes(self) -> int | None:
        """Returns None: stores do not tell."""
        return None

    def free_bytes(self) -> int | None:
        """Returns None: stores have no end."""
        return None

    def local_path(self) -> Path | None:
        """Returns None: its objects are no files."""
        return None

    def spec(self) -> dict:
        """Returns the place as tensorstore's specification of a key-value store."""
        found: dict[str, Any] = ts.KvStore.Spec(f"{self.url}/").to_json()
        endpoint = os.environ.get("AWS_ENDPOINT_URL")
        if found["driver"] == "s3" and endpoint:
            region = os.environ.get("AWS_REGION", "us-east-1")
            found |= {"endpoint": endpoint, "aws_region": region}
        return found

    def _mark(self) -> StorePlace:
        """Writes beside these objects, for others to see, that this process is at work on them."""
        mark = StorePlace(self._beside(draft_name(self.name)))
        mark.write(_MARK, b"")
        return mark

    def _beside(self, name: str) -> str:
        return f"{self.url.removesuffix(self.name)}{name}"

    def _unmark(self) -> None:
        self._delete(_MARK)

    def _strange(self) -> list[str]:
        """Returns the objects below that no checkpoint has."""
        # Consoles show a folder by an object whose name ends there, and is "" in the folder.
        own = ("", FILE_NAME)
        return [f for f in self.files() if f not in own and not f.startswith(f"{ARRAYS}/")]

    def _delete_all(self) -> None:
        """Deletes what a checkpoint has, and nothing else that may lie there."""
        self._delete(FILE_NAME)
        with _told(self.url):
            # "0" is the character behind "/".
            self._store.delete_range(ts.KvStore.KeyRange(f"{ARRAYS}/", f"{ARRAYS}0")).result()

    def _delete(self, file: str) -> None:
        with _told(f"{self.url}/{file}"):
            self._store.write(file, None).result()


class _StoreWriting(Writing):
    def __init__(self, target: StorePlace, mark: StorePlace):
        self.place: StorePlace = target
        self._mark = mark

    def publish(self) -> None:
        """Takes the mark away: the manifest is there, so the checkpoint is."""
        with contextlib.suppress(OSError):  # It is complete, whether marked or not.
            self._mark._unmark()

    def discard(self) -> None:
        """Removes what was written; where the store refuses, the mark tells what it is."""
        try:
            self.place._delete_all()
            self._mark._unmark()
        except OSError as error:
            logging.warning("What was written of %s cannot be removed: %s", self.place, error)


@contextlib.contextmanager
def _told(url: str) -> Iterator[None]:
    """Turns tensorstore's errors into those that a file system would raise."""
    try:
        yield
    except ValueError as error:
        text = str(error).partition(" [")[0]
        code = (
            errno.EACCES if text.startswith(("PERMISSION_DENIED", "UNAUTHENTICATED")) else errno.EIO
        )
        raise OSError(code, text, url) from error
