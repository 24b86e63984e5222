"""Over the process of a trial, from its start to what is written of its end."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import json
import math
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from mirasol.sweeps import signals
from mirasol.sweeps.early import EarlyStop
from mirasol.sweeps.records import State, TrialRecord, read_sweep, trial_folder, write_trial
from mirasol.sweeps.scores import METRICS, metrics_at
from mirasol.training.stopping import SAME_SIGNAL_S

LOG = "log.txt"
_ERROR_LINES = 20
_STOPPED_CODES = (128 + signal.SIGTERM, 128 + signal.SIGINT, -signal.SIGTERM, -signal.SIGINT)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rules:
    """By which a trial is judged.

    Attributes:
      metrics: that must be there at the last step.
      early_stop: a rule to end it by, if any.
      limit_s: seconds it may take.
      silence_s: seconds without anything written.
      grace_s: seconds to end in order, before it is killed.
      poll_s: seconds between two looks at it.
    """

    metrics: tuple[str, ...]
    early_stop: EarlyStop | None
    limit_s: float | None
    silence_s: float
    grace_s: float
    poll_s: float = 1.0

    @property
    def killed(self) -> str:
        """What is added to the reason of an attempt that had to be killed."""
        return f"; killed, since it did not end within {self.grace_s:g} s (Sweep.grace_s)"


class Watch:
    """Over one process.

    Args:
      folder: of the trial.
      rules: of it.
      record: of the attempt that begins.
      heard: signals, as they come.
    """

    def __init__(self, folder: Path, rules: Rules, record: TrialRecord, heard: Sequence[int]):
        self._folder, self._rules, self._record, self._heard = folder, rules, record, heard
        self._began_s = time.monotonic()
        self._log, self._workdir = folder / LOG, folder / "workdir"

    def to_the_end(self, command: Sequence[str], variables: Mapping[str, str], lock: int) -> str:
        """Runs the process and writes what became of it; returns the state.

        Args:
          command: of the process.
          variables: its whole environment.
          lock: file descriptor of the trial's lock, which the process inherits.
        """
        with self._log.open("ab") as log:
            try:
                # A cluster may tell all processes of a job; this one then ends the trial in order.
                with signals.kept_from_children(signals.TAKEN_AWAY):
                    process = subprocess.Popen(
                        command,
                        stdin=subprocess.DEVNULL,
                        stdout=log,
                        stderr=log,
                        env=variables,
                        pass_fds=[lock],
                        start_new_session=True,
                    )
            except OSError as error:
                return self._end("failed", None, f"could not be started: {error}")
        self._record = dataclasses.replace(self._record, process=process.pid)
        write_trial(self._folder, self._record)
        state, reason = self._watched(process)
        _kill_group(process.pid)  # Workers that it has left behind.
        return self._end(state, process.returncode, reason)

    def _watched(self, process: subprocess.Popen[bytes]) -> tuple[State, str]:
        """Waits for the process, or ends it; returns the state and the reason for it."""
        while True:
            if self._has_ended(process):
                return self._judged(process.returncode)
            if self._heard:
                killed = self._terminate(process)
                judged = self._judged(process.returncode)
                return (
                    judged if judged[0] == "done" else ("pending", f"stopped by a signal{killed}")
                )
            if verdict := self._early():
                return "stopped", f"{verdict}{self._terminate(process)}"
            if reason := hung(self._folder, self._rules, time.monotonic() - self._began_s):
                return "failed", f"{reason}{self._terminate(process)}"

    def _has_ended(self, process: subprocess.Popen[bytes]) -> bool:
        """Waits until the next look, or until a signal is heard.

        A signal to all processes of a job has reached the trial, too. What it is told then is the
        same signal again, not a second one, only if it is told at once.
        """
        end_s = time.monotonic() + self._rules.poll_s
        while not self._heard and (left_s := end_s - time.monotonic()) > 0:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(min(left_s, SAME_SIGNAL_S / 2))
                return True
        return process.poll() is not None

    def _judged(self, code: int) -> tuple[State, str]:
        """Returns what an exit code and the metrics amount to."""
        if code in _STOPPED_CODES:
            return "pending", "its process was stopped by a signal"
        if code < 0:
            return "failed", f"its process was killed by {signal.Signals(-code).name}"
        if code > 0:
            return "failed", f"its process ended with exit code {code}"
        if unscored := self._unscored():
            return "failed", f"its process ended with exit code 0, but {unscored}"
        return "done", ""

    def _unscored(self) -> str:
        """Returns which final metrics there are not, or not as numbers; "" where all are."""
        found, step = metrics_at(self._workdir, self._record.steps), self._record.steps
        lacking = [name for name in self._rules.metrics if name not in found]
        if lacking:
            return f"{', '.join(lacking)} at step {step} is not in metrics.jsonl"
        broken = [name for name in self._rules.metrics if not math.isfinite(found[name])]
        return f"{', '.join(broken)} at step {step} is not a finite number" if broken else ""

    def _early(self) -> str:
        """Returns why the trial ends now, by a rule that looks once; "" where it goes on."""
        rule = self._rules.early_stop
        if rule is None or self._record.looked_at == rule.step or not rule.is_due(self._workdir):
            return ""
        verdict = rule.verdict(self._workdir, self._planned)
        self._record = dataclasses.replace(self._record, looked_at=rule.step)
        if verdict:  # At once: a watcher that dies while the trial ends takes no verdict with it.
            self._record = dataclasses.replace(
                self._record, state="stopped", reason=verdict, ended=now()
            )
        write_trial(self._folder, self._record)
        return verdict

    def _planned(self) -> list[Path]:
        """Returns the workdirs of the plan's trials: of earlier plans others may lie beside."""
        sweep = self._folder.parent.parent
        return [trial_folder(sweep, trial.id) / "workdir" for trial in read_sweep(sweep).trials]

    def _terminate(self, process: subprocess.Popen[bytes]) -> str:
        """Ends the process; returns what is to be added to the reason where it had to be killed."""
        process.terminate()
        try:
            process.wait(self._rules.grace_s)
        except subprocess.TimeoutExpired:
            _kill_group(process.pid)
            process.wait()
            return self._rules.killed
        return ""

    def _end(self, state: State, code: int | None, reason: str) -> str:
        took_s = time.monotonic() - self._began_s
        self._record = dataclasses.replace(
            self._record,
            state=state,
            exit_code=code,
            reason=reason,
            error=last_lines(self._folder) if state == "failed" else "",
            ended=now(),
            seconds=round(self._record.seconds + took_s, 3),
            device=_device(self._workdir),
            pid=None,
            process=None,
        )
        write_trial(self._folder, self._record)
        return self._record.state


def hung(folder: Path, rules: Rules, took_s: float) -> str:
    """Returns why an attempt that has taken so long is ended, "" where it goes on."""
    if rules.limit_s is not None and took_s > rules.limit_s:
        return f"it took longer than its limit of {rules.limit_s:g} s"
    written = [path for path in (folder / LOG, folder / "workdir" / METRICS) if path.exists()]
    newest = max((path.stat().st_mtime for path in written), default=0.0)
    silent_s = min(took_s, time.time() - newest)
    if silent_s > rules.silence_s:
        return f"it wrote nothing for {rules.silence_s:g} s: it hangs"
    return ""


def _kill_group(leader: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


def last_lines(folder: Path) -> str:
    """Returns the last lines of a trial's log, "" where there is none."""
    path = folder / LOG
    text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
    return "\n".join(text.splitlines()[-_ERROR_LINES:])


def _device(workdir: Path) -> str | None:
    """Returns what the run's newest record says of its runtime."""
    path = workdir / "provenance.json"
    if not path.is_file():
        return None
    runtime: str = json.loads(path.read_text(encoding="utf-8"))["starts"][-1]["runtime"]
    return runtime


def now() -> str:
    """Returns the time, in ISO 8601 with its zone."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
