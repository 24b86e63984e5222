"""Who works on a trial: whoever holds its lock, which the kernel takes back from the dead.

The lock is passed on to the trial's own process. So a trial that has outlived its watcher is known
to be alive, and nobody starts it again.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

LOCK = "lock"
# A look at a lock holds it for some microseconds; a holder that stays longer works on the trial.
_PATIENCE_S = 1.0
_PROCESSES = Path("/proc")


@contextlib.contextmanager
def held(folder: Path) -> Iterator[int | None]:
    """Holds a trial's lock; gives its file descriptor, None where somebody else has it."""
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        yield descriptor if _taken(descriptor) else None
    finally:
        os.close(descriptor)


def is_held(folder: Path) -> bool:
    """Returns whether somebody works on the trial now."""
    try:
        descriptor = os.open(folder / LOCK, os.O_RDONLY)  # Of a sweep that may be somebody else's.
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def is_open_in(folder: Path, process: int) -> bool:
    """Returns whether a process of this machine has the trial's lock open, held or not.

    So a process id that was written down is known from the same number given to another since. A
    system without /proc tells only whether there is such a process.
    """
    if not _PROCESSES.is_dir():
        return is_alive(process)
    try:
        lock = (folder / LOCK).stat()
        opened = (_PROCESSES / str(process) / "fd").iterdir()
        return any(_is_same(each, lock) for each in opened)
    except OSError:  # It has ended, or is somebody else's; or the trial was never begun.
        return False


def is_alive(process: int) -> bool:
    """Returns whether there is a process of this id, anybody's."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # Somebody else's.
        return True
    return True


def _is_same(descriptor: Path, file: os.stat_result) -> bool:
    try:
        return os.path.samestat(descriptor.stat(), file)
    except OSError:  # Closed meanwhile.
        return False


def _taken(descriptor: int) -> bool:
    end_s = time.monotonic() + _PATIENCE_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= end_s:
                return False
            time.sleep(0.02)
        else:
            return True
