"""Checkpoints in object stores: gs://, s3://, and whatever else tensorstore has a driver for."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import tensorstore as ts

from mirasol.checkpoint.errors import CheckpointError
from mirasol.checkpoint.manifest import FILE_NAME
from mirasol.checkpoint.places import SCHEMES, Place, Writing
from mirasol.spelling import nearest


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
        """Begins anew in place; what an attempt left that never got a manifest goes."""
        if self.has(FILE_NAME):
            raise CheckpointError(f"{self} is complete already; remove it to save its step again")
        self.remove()
        return _StoreWriting(self)

    def remove(self) -> None:
        """Removes all objects below, the manifest first."""
        with _told(self.url):
            self._store.write(FILE_NAME, None).result()
            self._store.delete_range(ts.KvStore.KeyRange()).result()

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


class _StoreWriting(Writing):
    def __init__(self, target: Place):
        self.place = target

    def publish(self) -> None:
        """Has nothing to do: the manifest is there, so the checkpoint is."""

    def discard(self) -> None:
        """Removes what was written."""
        self.place.remove()


@contextmanager
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
