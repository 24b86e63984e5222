"""What a split's data are: the files that state them, and how many questions can be asked.

{"files": {name: {"sha256", "bytes"}}, "rows", "with_media", "without_media"}

Names are paths below the data root, where a file lies there. A file of more than 128 MiB is known
by its ends, as `sha256_of_ends`. Rows are questions; a bad one counts neither with its media nor
without. Numbers are null where counting would mean reading a set of any length.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from mirasol.data.root import data_root

Identity = dict[str, Any]
_END = 64 * 2**20

_known: dict[str, Callable[[str], Identity]] = {}


def state(task: str, identity_of: Callable[[str], Identity]) -> None:
    """Says how to tell what the data of a task are.

    Args:
      task: its name.
      identity_of: split -> `identity(...)`; makes nothing that is not there.
    """
    _known[task] = identity_of


def of(task: str, split: str) -> Identity:
    """Returns what a task's split is; of a task that says nothing, an identity without facts."""
    return _known[task](split) if task in _known else identity([])


def identity(
    files: Iterable[Path],
    rows: int | None = None,
    with_media: int | None = None,
    without_media: int | None = None,
) -> Identity:
    """Returns an identity; files that are not there are left out."""
    return {
        "files": {_name(path): _checksum(path) for path in sorted(files) if path.is_file()},
        "rows": rows,
        "with_media": with_media,
        "without_media": without_media,
    }


def _name(path: Path) -> str:
    root = data_root()
    inside = path.relative_to(root) if path.is_relative_to(root) else path
    return inside.as_posix()


def _checksum(path: Path) -> dict[str, Any]:
    size = path.stat().st_size
    digest = hashlib.sha256()
    with path.open("rb") as file:
        if size <= 2 * _END:
            return {"sha256": hashlib.file_digest(file, "sha256").hexdigest(), "bytes": size}
        digest.update(file.read(_END))
        file.seek(size - _END)
        digest.update(file.read(_END))
    return {"sha256_of_ends": digest.hexdigest(), "bytes": size}
