"""Signals to an attempt from without: to its watcher or, where that is dead, to the trial itself.

What stands in trial.json may be of an attempt that is long gone, and its process ids those of
others by now. So a signal goes only to a process that has the trial's lock open.
"""

from __future__ import annotations

import os
import platform
import signal
from collections.abc import Callable
from pathlib import Path

from mirasol.sweeps import locks
from mirasol.sweeps.records import TrialRecord


class Ending:
    """Has the attempts of one trial end, each told once.

    Args:
      folder: of the trial.
    """

    def __init__(self, folder: Path):
        self._folder = folder
        self._told: set[tuple[int, int]] = set()  # Attempt and process, watcher or trial.

    def tell(self, record: TrialRecord, *, orphans: bool) -> None:
        """Tells the watcher to stop its trial; where it is dead, the trial itself.

        Args:
          record: of the trial, as it is now.
          orphans: whether nobody is about to begin an attempt: then the trial may be told, too.
        """
        if record.state != "running" or record.host != platform.node():
            return
        if is_watched(self._folder, record):
            self._tell_once(record, record.pid, os.kill)
        elif orphans and is_orphan(self._folder, record):
            self._tell_once(record, record.process, os.killpg)

    def _tell_once(
        self, record: TrialRecord, process: int | None, send: Callable[[int, int], None]
    ) -> None:
        assert process is not None, "told apart by is_watched and is_orphan"
        whom = (record.attempts, process)
        if whom not in self._told and _sent(send, process, signal.SIGTERM):
            self._told.add(whom)


def is_watched(folder: Path, record: TrialRecord) -> bool:
    """Returns whether the watcher of the record's attempt is at work on this machine."""
    return record.pid is not None and locks.is_open_in(folder, record.pid)


def is_orphan(folder: Path, record: TrialRecord) -> bool:
    """Returns whether the record's trial goes on without its watcher; the lock is held.

    A leader that has ended leaves a process group, whose number nobody else is given before all
    of it have ended.
    """
    if record.process is None or record.host != platform.node() or is_watched(folder, record):
        return False
    return locks.is_open_in(folder, record.process) or not locks.is_alive(record.process)


def _sent(send: Callable[[int, int], None], process: int, number: int) -> bool:
    try:
        send(process, number)
    except (ProcessLookupError, PermissionError):  # Ended just now, or somebody else's.
        return False
    return True
