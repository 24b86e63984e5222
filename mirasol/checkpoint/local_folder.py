"""Checkpoints in local folders: written beside their name, and renamed."""

from __future__ import annotations

import shutil
from pathlib import Path

from mirasol.checkpoint.draft import Draft, abandoned_drafts, remove_whole, set_aside
from mirasol.checkpoint.errors import require_space
from mirasol.checkpoint.places import Place, Writing


class LocalPlace(Place):
    """A local folder."""

    def __init__(self, path: Path):
        self.path = path

    def __str__(self) -> str:
        return str(self.path)

    @property
    def name(self) -> str:
        """The last part of its path."""
        return self.path.name

    def __truediv__(self, name: str) -> Place:
        return LocalPlace(self.path / name)

    def exists(self) -> bool:
        """Returns whether there is such a folder."""
        return self.path.is_dir()

    def was_complete(self) -> bool:
        """Returns whether it is there: it got its name when it was complete."""
        return self.exists()

    def has(self, file: str) -> bool:
        """Returns whether there is such a file."""
        return (self.path / file).is_file()

    def folders(self) -> list[str]:
        """Returns the names of the folders directly inside, none where there is no such place."""
        if not self.path.is_dir():
            return []
        return sorted(path.name for path in self.path.iterdir() if path.is_dir())

    def beside(self) -> list[Place]:
        """Returns the folders that lie in the same one."""
        parent = LocalPlace(self.path.absolute().parent)
        here = self.path.name
        return [
            LocalPlace(self.path.with_name(name))
            for name in parent.folders()
            if here and name != here
        ]

    def files(self) -> list[str]:
        """Returns the names of all files below, relative to here."""
        found = [path for path in self.path.rglob("*") if path.is_file()]
        return sorted(path.relative_to(self.path).as_posix() for path in found)

    def read(self, file: str, start: int = 0, stop: int | None = None) -> bytes:
        """Returns a file, or a part of it; fewer bytes where it is shorter."""
        with (self.path / file).open("rb") as opened:
            opened.seek(start)
            return opened.read(-1 if stop is None else stop - start)

    def size(self, file: str, least: int) -> int:
        """Returns the size of a file in bytes."""
        return (self.path / file).stat().st_size

    def write(self, file: str, content: bytes) -> None:
        """Writes a file."""
        (self.path / file).write_bytes(content)

    def begin(self, needed_bytes: int) -> Writing:
        """Begins a draft beside the folder."""
        draft = Draft(self.path)
        try:
            require_space(draft.path, needed_bytes)
        except OSError:
            draft.discard()
            raise
        return _LocalWriting(draft)

    def remove(self) -> None:
        """Removes the folder: renames it first."""
        remove_whole(self.path)

    def set_aside(self) -> Place:
        """Renames the folder."""
        return LocalPlace(set_aside(self.path))

    def clean(self) -> list[str]:
        """Removes drafts whose writers provably died."""
        drafts = abandoned_drafts(self.path)
        for draft in drafts:
            shutil.rmtree(draft, ignore_errors=True)
        return [draft.name for draft in drafts]

    def taken_bytes(self) -> int | None:
        """Returns the bytes of all files below."""
        return sum((self.path / file).stat().st_size for file in self.files())

    def free_bytes(self) -> int | None:
        """Returns the free bytes of the file system that the folder is on, or would be."""
        there = [path for path in self.path.absolute().parents if path.is_dir()]
        return shutil.disk_usage(there[0]).free if there else None

    def local_path(self) -> Path | None:
        """Returns the path."""
        return self.path

    def spec(self) -> dict:
        """Returns the place as tensorstore's specification of a key-value store."""
        # Not as a URL, in which % and ? in a path would mean something else.
        return {"driver": "file", "path": f"{self.path.absolute()}/"}


class _LocalWriting(Writing):
    def __init__(self, draft: Draft):
        self.place = LocalPlace(draft.path)
        self._draft = draft

    def publish(self) -> None:
        """Brings every byte to the disk, and renames."""
        self._draft.publish()

    def discard(self) -> None:
        """Removes the draft."""
        self._draft.discard()
