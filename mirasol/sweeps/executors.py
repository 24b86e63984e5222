"""Where attempts run: processes of this machine, or a Slurm cluster; both by submitit.

The cluster's has not been run: no Slurm was at hand.
"""

from __future__ import annotations

import contextlib
import math
import os
import signal
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from mirasol.sweeps.attempt import Attempt

# submitit ends jobs after this time; limits are the attempt's own.
_FOREVER_MIN = 60 * 24 * 365
_SIGNAL = "SUBMITIT_PREEMPT_SIGNAL"  # That submitit asks Slurm to warn by.
_TO_WRITE_S = 30  # For the watcher, once its trial has ended, to write it down and be queued again.


class Handle(Protocol):
    """An attempt that was handed over."""

    def done(self) -> bool:
        """Returns whether its process has ended."""


class LocalExecutor:
    """Starts each attempt at once, in a process that outlives this one.

    Args:
      folder: for submitit's files.
      code: the frozen package, which the watchers run too.
    """

    def __init__(self, folder: Path, code: Path):
        self._executor = _submitit().LocalExecutor(folder=folder)
        self._executor.update_parameters(timeout_min=_FOREVER_MIN, stderr_to_stdout=True)
        self._code = code

    def submit(self, attempt: Attempt) -> Handle:
        """Starts it."""
        with _frozen(self._code), _deaf_to_the_terminal():
            job: Handle = self._executor.submit(attempt)
        return job


class SlurmExecutor:
    """Queues attempts as one array.

    Args:
      folder: for submitit's files, on a disk that the nodes share.
      at_once: tasks of the array that run at a time.
      grace_s: seconds that an attempt has to end in order; Slurm warns it so long before the end.
      parameters: of submitit's Slurm executor, such as partition, gpus_per_node; `time`, in
        minutes, is among them.

    Raises:
      ValueError: Slurm is not here, submitit has no such parameter, or trials have no time before
        they are warned.
    """

    def __init__(self, folder: Path, at_once: int, grace_s: float, parameters: Mapping[str, Any]):
        warned_s = math.ceil(grace_s) + _TO_WRITE_S
        given = {"signal_delay_s": warned_s, "array_parallelism": at_once, **parameters}
        if 60 * given["time"] <= given["signal_delay_s"]:
            whence = (
                "--slurm=signal_delay_s"
                if "signal_delay_s" in parameters
                else f"Sweep.grace_s and {_TO_WRITE_S} s to write it down"
            )
            raise ValueError(
                f"--slurm=time={given['time']}: Slurm warns a trial {given['signal_delay_s']} s "
                f"before its time is over ({whence}), so it would be told to end as it begins; "
                "give more minutes"
            )
        if (number := os.environ.get(_SIGNAL, "USR2")) != "USR2":
            raise ValueError(f"{_SIGNAL}={number}: trials listen for USR2; unset it")
        try:
            self._executor = _submitit().SlurmExecutor(folder=folder)
        except RuntimeError as error:
            raise ValueError(
                f"--executor=slurm: {error} Give the command where sbatch is, or "
                "--slurm_script=FILE, and take the file there"
            ) from None
        self._executor.update_parameters(**given)

    def submit_all(self, attempts: Sequence[Attempt], code: Path) -> list[str]:
        """Queues them with the frozen package; returns the ids of their jobs."""
        with _frozen(code), self._executor.batch():
            jobs = [self._executor.submit(each) for each in attempts]
        return [job.job_id for job in jobs]


def _submitit() -> Any:
    try:
        import submitit
    except ModuleNotFoundError as error:
        raise ValueError(f"{error}: pip install 'mirasol[sweep]'") from None
    return submitit


@contextlib.contextmanager
def _frozen(code: Path) -> Iterator[None]:
    """Has new processes import the frozen package, wherever they are started."""
    others = os.environ.get("PYTHONPATH")
    path = os.pathsep.join([str(code.absolute()), *([others] if others else [])])
    given = {"PYTHONPATH": path, "PYTHONSAFEPATH": "1"}
    before = {name: os.environ.get(name) for name in given}
    os.environ.update(given)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextlib.contextmanager
def _deaf_to_the_terminal() -> Iterator[None]:
    """Has new processes ignore the terminal's Ctrl-C: the scheduler tells them what to do.

    submitit's own answer to it is to kill what runs a second later, before a trial is saved. They
    ignore, too, that the terminal is gone, or trials would train on with nobody to watch them.
    """
    before = {each: signal.signal(each, signal.SIG_IGN) for each in (signal.SIGINT, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
