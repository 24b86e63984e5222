"""Trials run to their end, some at a time; all that is known stands in files and locks.

    ended        done or stopped early, or failed once too often
    busy         handed over, or its lock is held: by an attempt of this or any other scheduler
    free         everything else: never begun, failed, cut off

Nothing is remembered here that a scheduler killed at any moment would take with it.
"""

from __future__ import annotations

import dataclasses
import os
import platform
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from mirasol.sweeps import locks, signals
from mirasol.sweeps.attempt import Attempt
from mirasol.sweeps.ending import Ending
from mirasol.sweeps.executors import Handle
from mirasol.sweeps.records import TrialRecord, read_trial, write_trial
from mirasol.sweeps.watch import last_lines, now

_STARTS = 3  # Processes that may end before they have begun an attempt.
_SECOND_SIGNAL = 2


class Executor(Protocol):
    """What starts an attempt now."""

    def submit(self, attempt: Attempt) -> Handle:
        """Starts it."""


class Screen(Protocol):
    """What people see."""

    def show(self, records: Sequence[TrialRecord], folders: Sequence[Path]) -> None:
        """Shows how the trials stand."""


@dataclasses.dataclass
class _Trial:
    """A trial and what this scheduler has done about it."""

    attempt: Attempt
    attempts_before: int
    handle: Handle | None = None
    launches: int = 0
    slot: int | None = None

    def __post_init__(self) -> None:
        self.ending = Ending(self.folder, self.attempt.rules)

    @property
    def folder(self) -> Path:
        return self.attempt.folder

    def record(self) -> TrialRecord:
        return read_trial(self.folder)

    def attempts(self, record: TrialRecord) -> int:
        return record.attempts - self.attempts_before

    def is_handed_over(self) -> bool:
        """Returns whether a watcher of this scheduler's is there, though it may not have begun."""
        return self.handle is not None and not self.handle.done()

    def is_busy(self) -> bool:
        return self.is_handed_over() or locks.is_held(self.folder)


class Scheduler:
    """Runs trials.

    Args:
      attempts: one for each trial, in the order in which they begin.
      executor: starts them.
      at_once: as many as may run at a time, those of dead schedulers among them.
      retries: how often a trial is tried again in this run of the scheduler.
      screen: shows how they stand.
      slots: environment of each of the `at_once` places, such as the device of each.
      poll_s: seconds between two looks.
    """

    def __init__(
        self,
        *,
        attempts: Sequence[Attempt],
        executor: Executor,
        at_once: int,
        retries: int,
        screen: Screen,
        slots: Sequence[Mapping[str, str | None]] | None = None,
        poll_s: float = 1.0,
    ):
        self._trials = [_Trial(each, read_trial(each.folder).attempts) for each in attempts]
        self._executor, self._screen = executor, screen
        self._at_once, self._retries, self._poll_s = at_once, retries, poll_s
        self._slots = slots or [{}] * at_once

    def run(self) -> bool:
        """Runs until every trial has ended; returns False where signals have stopped some."""
        with signals.gathered() as heard:
            while True:
                waiting = self._stop() if heard else self._step()
                self._show()
                if not waiting:
                    return not heard and not self._is_any_pending()
                if len(heard) >= _SECOND_SIGNAL:
                    return False  # The watchers go on with stopping.
                time.sleep(self._poll_s)

    def _step(self) -> bool:
        """Starts what is free; returns whether there is more to wait for."""
        busy, free = [], []
        for trial in self._trials:
            if trial.is_busy():
                busy.append(trial)
                if not trial.is_handed_over():
                    trial.ending.hold_to_rules(trial.record())
                continue
            trial.slot = None
            if reason := trial.ending.reason(trial.record()):
                self._fail(trial, reason)
            record = trial.record()
            if record.state not in ("done", "stopped") and self._may_begin(trial, record):
                free.append(trial)
        for trial in free[: max(0, self._at_once - len(busy))]:
            self._launch(trial)
        return bool(busy or free)

    def _stop(self) -> bool:
        """Stops what is this scheduler's; returns whether there is more to wait for.

        Nothing is judged here: what is stopped now has not failed, however often it was tried.
        """
        mine = [trial for trial in self._trials if trial.is_busy() and self._is_mine(trial)]
        for trial in mine:
            record, waiting = trial.record(), trial.is_handed_over()
            # Before its watcher has begun, the record is of an attempt before, or of another's.
            if not waiting or record.scheduler == os.getpid():
                trial.ending.tell(record, orphans=not waiting)
        return bool(mine)

    def _may_begin(self, trial: _Trial, record: TrialRecord) -> bool:
        """Returns whether a free trial is tried; one that is not has failed, and says so."""
        attempts = trial.attempts(record)
        if trial.launches - attempts >= _STARTS:
            self._fail(trial, "no attempt could be started: see the folder `jobs` of the sweep")
            return False
        if attempts <= self._retries:
            return True
        if record.state == "pending":  # Stopped in order, maybe by another scheduler: no failure.
            return trial.launches <= self._retries
        if record.state != "failed":
            self._fail(trial, f"its last attempt was cut off; {attempts} were made in this call")
        return False

    def _launch(self, trial: _Trial) -> None:
        taken = {other.slot for other in self._trials}
        trial.slot = next((each for each in range(len(self._slots)) if each not in taken), 0)
        environment = {**trial.attempt.environment, **self._slots[trial.slot]}
        trial.handle = self._executor.submit(
            dataclasses.replace(trial.attempt, environment=environment, scheduler=os.getpid())
        )
        trial.launches += 1

    def _fail(self, trial: _Trial, reason: str) -> None:
        with locks.held(trial.folder) as lock:
            record = trial.record()
            if lock is not None and record.state not in ("done", "stopped"):
                begun = record.state == "running"  # Else the log is of an attempt before, if any.
                record = dataclasses.replace(
                    record,
                    state="failed",
                    reason=reason,
                    error=last_lines(trial.folder) if begun else "",
                    ended=now(),
                    pid=None,
                    seconds_incomplete=record.seconds_incomplete or begun,
                )
                write_trial(trial.folder, record)

    def _is_mine(self, trial: _Trial) -> bool:
        """Returns whether to stop is up to this scheduler: its own trials, and orphans."""
        if trial.is_handed_over():
            return True
        record = trial.record()
        if record.host != platform.node():
            return False
        whose = record.scheduler
        return whose in (None, os.getpid()) or not locks.is_alive(whose)

    def _is_any_pending(self) -> bool:
        return any(trial.record().state == "pending" for trial in self._trials)

    def _show(self) -> None:
        self._screen.show(
            [trial.record() for trial in self._trials], [trial.folder for trial in self._trials]
        )
