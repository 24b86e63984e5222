"""Drafts: folders that become a checkpoint in one rename, or nothing.

A draft's name tells who writes it, so there is no moment at which it exists without its writer:

    step_00000100.incomplete-1f0c2a9b-77e3d001-4242-98231-5be0c4d2
    target                   host     boot     pid  start unique

The process started `start` clock ticks after `boot`. A draft whose writer provably died is
abandoned, and may be removed; one from another host may be alive, and is never touched.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
import socket
from pathlib import Path

from absl import logging

_PATTERN = re.compile(
    r".+\.incomplete-(?P<host>[0-9a-f]{8})-(?P<boot>[0-9a-f]{8})-(?P<pid>\d+)-(?P<start>\d+)"
    r"-[0-9a-f]{8}"
)


class Draft:
    """A new folder beside `target` that `publish` turns into `target`.

    Args:
      target: the folder to become; it must not exist when the draft is published.
    """

    def __init__(self, target: Path):
        self.target = target
        self.path = target.with_name(draft_name(target.name))
        self.path.mkdir(parents=True)

    def publish(self) -> None:
        """Brings every byte to the disk, then renames; after it returns, `target` is durable.

        Raises:
          OSError: the disk refused; `target` is not there.
        """
        for path in [*self.path.rglob("*"), self.path]:
            _sync(path)
        self.path.rename(self.target)
        try:
            _sync(self.target.parent)
        except OSError:  # What may be gone after a crash must not pass for saved.
            self.target.rename(self.path)
            raise

    def discard(self) -> None:
        """Removes the draft, whatever is in it."""
        shutil.rmtree(self.path, ignore_errors=True)


def remove_whole(folder: Path) -> None:
    """Removes a folder so that it is whole or gone: never half of it under its name.

    What cannot be removed stays, with a warning: the newer checkpoints are there all the same.
    """
    grave = folder.with_name(draft_name(folder.name))
    try:
        folder.rename(grave)
    except OSError as error:
        logging.warning("Keeping %s, which cannot be removed: %s", folder, error)
        return
    shutil.rmtree(grave, ignore_errors=True)


def set_aside(folder: Path) -> Path:
    """Renames a folder that is in the way, and returns its new path; nothing is removed."""
    return folder.rename(folder.with_name(aside_name(folder.name)))


def abandoned_drafts(directory: Path) -> list[Path]:
    """Returns the drafts in `directory` whose writers are provably dead."""
    if not directory.is_dir():
        return []
    return [
        path for path in sorted(directory.iterdir()) if path.is_dir() and is_abandoned(path.name)
    ]


def draft_name(target: str) -> str:
    """Returns a new name for what this process writes, or removes, in place of `target`."""
    writer = f"{_host()}-{_boot()}-{os.getpid()}-{_start_ticks('self')}"
    return f"{target}.incomplete-{writer}-{secrets.token_hex(4)}"


def aside_name(target: str) -> str:
    """Returns a new name for a damaged `target`."""
    return f"{target}.damaged-{secrets.token_hex(4)}"


def target_name(draft: str) -> str:
    """Returns the name that a draft was to become."""
    return draft.partition(".incomplete-")[0]


def is_abandoned(name: str) -> bool:
    """Returns whether a name is of a draft whose writer is provably dead."""
    writer = _PATTERN.fullmatch(name)
    if writer is None or writer["host"] != _host() or not _boot_id():
        return False
    if writer["boot"] != _boot():
        return True
    return _start_ticks(writer["pid"]) != writer["start"]


def writer_told(name: str) -> str:
    """Says of a draft, by its name, whether it may still become a checkpoint."""
    writer = _PATTERN.fullmatch(name)
    if is_abandoned(name):
        return "its writer died before it was complete; the next save removes it"
    if writer is None or writer["host"] != _host():
        return "begun on another machine or in another container; if nothing runs there, remove it"
    return f"process {writer['pid']} is writing or removing it"


def _host() -> str:
    """Returns a mark of this machine, as far as its process ids are seen from here.

    Containers share a kernel but number their processes apart, hence the namespace.
    """
    namespace = Path("/proc/self/ns/pid")
    parts = [
        socket.gethostname(),
        _text(Path("/etc/machine-id")),
        str(namespace.readlink()) if namespace.is_symlink() else "",
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:8]


def _boot() -> str:
    return hashlib.sha256(_boot_id().encode()).hexdigest()[:8]


def _boot_id() -> str:
    return _text(Path("/proc/sys/kernel/random/boot_id"))


def _start_ticks(pid: str) -> str:
    """Returns when a process started, in clock ticks after boot; "0" if no such process runs.

    Process ids are used again, pairs of id and start are not.
    """
    # The second field, the command, may hold spaces and brackets. Behind it stand the state (Z is
    # dead and only not yet counted) and, as field 22 of the line, the start.
    fields = _text(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()
    return fields[19] if fields and fields[0] not in "ZX" else "0"


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
