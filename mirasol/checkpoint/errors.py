"""What goes wrong with checkpoints, and what a person can do where a disk is the reason."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mirasol.checkpoint.places import Place

_TOO_BIG = "raise the limit on the size of a file (ulimit -f)"
_NO_ROOM = "free space there, keep fewer checkpoints (Trainer.keep), or choose another --workdir"
_VANISHED = (
    "something else moved, removed or unmounted it; see that it stays, or choose another --workdir"
)
_DENIED = (
    "let user {user} write there (chown, chmod, a bucket's roles), or choose another --workdir"
)
_ADVICE = {
    errno.ENOSPC: _NO_ROOM,
    errno.EDQUOT: _NO_ROOM,
    errno.EFBIG: _TOO_BIG,
    errno.EROFS: "make the file system writable, or choose another --workdir",
    errno.EACCES: _DENIED,
    errno.EPERM: _DENIED,
    errno.ENOENT: _VANISHED,
    errno.ESTALE: _VANISHED,
    errno.ENOTDIR: "a file stands where a folder is to be; choose another --workdir",
    errno.EIO: "the disk or the store itself fails; try again, or choose another --workdir",
}
# How tensorstore tells of a failed call, among its own words.
_OF_TENSORSTORE = re.compile(r"(?:os_error_code='|OS error )(\d+)")
_LOST = re.compile(r": (?:NOT_FOUND|DATA_LOSS):")  # In a save: what was there a moment ago.


class CheckpointError(ValueError):
    """A checkpoint that is absent, incomplete, damaged, does not fit, or cannot be written."""


@contextlib.contextmanager
def disk_errors_told(
    folder: Place, needed_bytes: int, draft: Place | None = None
) -> Iterator[None]:
    """Turns what a disk refuses in the block into one CheckpointError that says what to do.

    Args:
      folder: of the checkpoint that is being written.
      needed_bytes: that it takes.
      draft: where it is being written, once there is such a folder.

    Raises:
      CheckpointError: names the folder, the reason, the bytes needed and free, and a way out. Other
        errors pass as they are.
    """
    try:
        yield
    except (OSError, CheckpointError) as error:
        code = _code(error)
        if code is None:
            raise
        advice = _ADVICE.get(code, "choose another --workdir").format(user=os.geteuid())
        raise CheckpointError(
            f"cannot save {folder}: {_told(error, code)}. It needs {needed_bytes:,} bytes, "
            f"{_free(folder, draft)}. Nothing of it counts as a checkpoint, and older ones are "
            f"untouched: {advice}"
        ) from error


def require_space(folder: Path, needed_bytes: int) -> None:
    """Raises an OSError where the file system of `folder` surely has too little free space.

    Args:
      folder: exists.
      needed_bytes: a lower bound.
    """
    usage = shutil.disk_usage(folder)
    # Some network file systems do not know their size, and say 0.
    if usage.total and usage.free < needed_bytes:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))


def _code(error: Exception) -> int | None:
    """Returns the number of the operating system's error behind `error`, None if none is."""
    if isinstance(error, OSError):
        return error.errno
    if found := _OF_TENSORSTORE.search(str(error)):
        return int(found[1])
    return errno.ENOENT if _LOST.search(str(error)) else None


def _told(error: Exception, code: int) -> str:
    """Says what failed, and at which path or array."""
    if isinstance(error, OSError):
        return f"{error.strerror} ({error.filename})"
    return f"{os.strerror(code)} ({str(error).partition(': ')[0]})"


def _free(folder: Place, draft: Place | None) -> str:
    """Says how much was free, before the draft took some of it, where the folder is to be."""
    with contextlib.suppress(OSError):
        free = folder.free_bytes()
        if free is not None:
            return f"{free + ((draft and draft.taken_bytes()) or 0):,} were free"
    return "how many are free is unknown"
