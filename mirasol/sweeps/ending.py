"""Signals to an attempt from without: to its watcher or, where that is dead, to the trial itself.

What stands in trial.json may be of an attempt that is long gone, and its process ids those of
others by now. So a signal goes only to a process that has the trial's lock open.
"""

from __future__ import annotations

import datetime
import os
import platform
import signal
import time
from collections.abc import Callable
from pathlib import Path

from mirasol.sweeps import locks
from mirasol.sweeps.records import TrialRecord
from mirasol.sweeps.watch import Rules, hung


class Ending:
    """Has the attempts of one trial end; nothing of it blocks, so it is asked again and again.

    Args:
      folder: of the trial.
      rules: by which it is judged, also where its watcher is dead.
    """

    def __init__(self, folder: Path, rules: Rules):
        self._folder, self._rules = folder, rules
        self._told: dict[tuple[int, int], float] = {}  # Attempt and process -> when.
        self._reasons: dict[int, str] = {}  # Of attempts that were ended here.

    def tell(self, record: TrialRecord, *, orphans: bool) -> None:
        """Tells the watcher to stop its trial; where it is dead, ends the trial itself.

        Args:
          record: of the trial, as it is now.
          orphans: whether nobody is about to begin an attempt: then the trial may be told, too.
        """
        if record.state != "running" or record.host != platform.node():
            return
        if is_watched(self._folder, record):
            self._is_told(record, record.pid, os.kill)
        elif orphans and is_orphan(self._folder, record):
            self._end(record)

    def hold_to_rules(self, record: TrialRecord) -> None:
        """Ends a trial whose watcher is dead where the watcher would; early stops are left out."""
        if record.state in ("running", "stopped") and is_orphan(self._folder, record):
            reason = self._reasons.get(record.attempts) or self._verdict(record)
            if reason and self._end(record):
                self._reasons.setdefault(record.attempts, reason)

    def reason(self, record: TrialRecord) -> str:
        """Returns why the record's attempt was ended here by its rules; "" where it was not."""
        return self._reasons.get(record.attempts, "") if record.state == "running" else ""

    def _verdict(self, record: TrialRecord) -> str:
        if record.state == "stopped":  # Its watcher died before it had ended the trial.
            return record.reason
        if record.attempt_started is None:
            return ""
        started = datetime.datetime.fromisoformat(record.attempt_started)
        took_s = (datetime.datetime.now(datetime.UTC) - started).total_seconds()
        reason = hung(self._folder, self._rules, took_s)
        return reason and f"{reason}; its watcher had died"

    def _end(self, record: TrialRecord) -> bool:
        """Returns whether the trial was told to end; later, it is killed."""
        if not self._is_told(record, record.process, os.killpg):
            return False
        assert record.process is not None, "told"
        since_s = time.monotonic() - self._told[record.attempts, record.process]
        if since_s > self._rules.grace_s and _sent(os.killpg, record.process, signal.SIGKILL):
            told = self._reasons.get(record.attempts, "")
            if told and not told.endswith(self._rules.killed):
                self._reasons[record.attempts] = f"{told}{self._rules.killed}"
        return True

    def _is_told(
        self, record: TrialRecord, process: int | None, send: Callable[[int, int], None]
    ) -> bool:
        """Tells a process of the attempt, once; returns whether the signal was delivered."""
        assert process is not None, "told apart by is_watched and is_orphan"
        whom = (record.attempts, process)
        if whom not in self._told and _sent(send, process, signal.SIGTERM):
            self._told[whom] = time.monotonic()
        return whom in self._told


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


def is_cut_off(folder: Path, record: TrialRecord) -> bool:
    """Returns whether a trial still says running, and nobody works on it.

    Of one that runs on another machine, whose locks may not be seen here, it is not told.
    """
    here = record.host in (None, platform.node())
    return record.state == "running" and here and not locks.is_held(folder)


def _sent(send: Callable[[int, int], None], process: int, number: int) -> bool:
    try:
        send(process, number)
    except (ProcessLookupError, PermissionError):  # Ended just now, or somebody else's.
        return False
    return True
