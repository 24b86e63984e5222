"""One attempt at a trial, watched over to its end, which is written into trial.json.

lock -> running -> the process -> exit code, limits, metric -> done | failed | stopped | pending

The watcher is a process of its own: a scheduler that dies takes nothing with it. It needs neither
torch nor gin. Its own death leaves the trial running, with the lock (locks.py).
"""

from __future__ import annotations

import dataclasses
import os
import platform
import shlex
import signal
from pathlib import Path
from typing import Any

from mirasol.sweeps import locks, signals
from mirasol.sweeps.records import TrialRecord, read_trial, write_trial
from mirasol.sweeps.watch import Rules, Watch, now


@dataclasses.dataclass(frozen=True, kw_only=True)
class Attempt:
    """What is run for a trial, and what becomes of it; called in the watcher's process.

    Attributes:
      folder: of the trial, with its trial.json.
      command: the trial's own process.
      environment: over that of the watcher; None: such a variable is taken away.
      rules: by which it is judged.
      scheduler: process id of who started it.
    """

    folder: Path
    command: tuple[str, ...]
    environment: dict[str, str | None]
    rules: Rules
    scheduler: int | None = None

    def __call__(self) -> str:
        """Runs it; returns the trial's state. Where another works on it, that is all."""
        with locks.held(self.folder) as lock:
            record = read_trial(self.folder)
            if lock is None or record.state in ("done", "stopped"):
                return record.state
            with signals.gathered(signals.TAKEN_AWAY) as heard:
                watch = Watch(self.folder, self.rules, self._begun(record), heard)
                state = watch.to_the_end(self.command, self._variables(), lock)
        if state == "pending" and signals.TAKEN_AWAY in heard:
            signal.raise_signal(signals.TAKEN_AWAY)  # For submitit, now that the trial is saved.
        return state

    def checkpoint(self) -> Any:
        """Lets submitit queue it again where a cluster tells so before it takes its machine away.

        By then the trial has saved and ended, see `__call__`. Where a cluster just ends the job, by
        SIGTERM, it saves, too, in the time that it is left, and is not queued again.
        """
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)

    def _variables(self) -> dict[str, str]:
        merged = {**os.environ, **self.environment}
        return {name: value for name, value in merged.items() if value is not None}

    def _begun(self, record: TrialRecord) -> TrialRecord:
        record = dataclasses.replace(
            record,
            state="running",
            attempts=record.attempts + 1,
            # Still running: its watcher was cut off before it could write what it took.
            seconds_incomplete=record.seconds_incomplete or record.state == "running",
            exit_code=None,
            error="",
            reason="",
            started=record.started or now(),
            attempt_started=now(),
            ended=None,
            host=platform.node(),
            command=shlex.join(self.command),
            pid=os.getpid(),
            process=None,
            scheduler=self.scheduler,
        )
        write_trial(self.folder, record)
        return record
