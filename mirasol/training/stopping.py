"""SIGTERM and SIGINT: the first ends a command in order, the second at once.

    loading, the first step (which compiles)   broken off: nothing has been done that is not saved
    waiting for data, evaluating               broken off, and what is trained is saved
    a step, its line in the log, a save        finished, and what is trained is saved

Nothing here needs torch: the command line takes hold of the signals before it imports anything.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import threading
import time
from collections.abc import Iterator
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGINT)
# Some senders give one signal twice: GNU timeout to the process, and then to its group.
SAME_SIGNAL_S = 0.5
# What has nothing to lose, and does not end in this time, is ended: a library that holds on to a
# worker, a compiler that does not come back.
UNWINDING_S = 10.0

_GOES_ON = "the same command goes on from what is saved"


class Stopped(KeyboardInterrupt):
    """A signal has ended the command. No `Exception`, so that nothing takes it for an error.

    Attributes:
      number: of the signal.
      outcome: what became of the run, for people.
    """

    def __init__(self, number: int, outcome: str = _GOES_ON):
        self.number = number
        self.outcome = outcome
        super().__init__(f"stopped by {signal.Signals(number).name}: {outcome}")

    @property
    def code(self) -> int:
        """The exit code, as shells have it: 143 of SIGTERM, 130 of SIGINT."""
        return 128 + self.number


class Stop:
    """Whether a signal has come, and what it may break off.

    Made by `on_signals`. One that is made otherwise hears of no signal, and so does nothing.
    """

    def __init__(self) -> None:
        self._number: int | None = None
        self._breaks_off = True
        self._at_stake = False

    def check(self) -> None:
        """Raises Stopped if a signal has come."""
        if self._number is not None:
            raise Stopped(self._number)

    @contextlib.contextmanager
    def finishing(self) -> Iterator[None]:
        """Lets no signal break off the block, except what in it is `interruptible`."""
        before = self._breaks_off, self._at_stake
        self._breaks_off, self._at_stake = False, True
        try:
            yield
        finally:
            self._breaks_off, self._at_stake = before

    @contextlib.contextmanager
    def interruptible(self) -> Iterator[None]:
        """Lets a signal break off the block, by Stopped; also one that has come before.

        So ends any error that the block has after a signal: workers that got the signal, too, are
        gone.
        """
        before, self._breaks_off = self._breaks_off, True
        try:
            self.check()
            yield
        except Exception:
            self.check()
            raise
        finally:
            self._breaks_off = before

    @contextlib.contextmanager
    def expendable(self) -> Iterator[None]:
        """Lets a signal break off the block, of which nothing has to be saved.

        Not even the interpreter's next step has to be waited for: a compiler may take minutes.
        """
        before, self._at_stake = self._at_stake, False
        try:
            with self.interruptible():
                yield
        finally:
            self._at_stake = before

    def _take(self, number: int, frame: FrameType | None) -> None:
        """Handles a signal, in the main thread, between two steps of the interpreter."""
        self._number = self._number or number
        if self._breaks_off:
            self.check()


_held: list[Stop] = []  # Signals are the process's, so at most one Stop hears them.


@contextlib.contextmanager
def on_signals() -> Iterator[Stop]:
    """Hears SIGTERM and SIGINT while the block runs; within another such block, it is that one's.

    In a thread other than the main one Python hears no signals, and so does this.
    """
    if _held or threading.current_thread() is not threading.main_thread():
        yield _held[-1] if _held else Stop()
        return
    stop = Stop()
    with _held_by(stop), _watched(stop):
        yield stop


@contextlib.contextmanager
def _held_by(stop: Stop) -> Iterator[None]:
    before = {number: signal.signal(number, stop._take) for number in SIGNALS}
    _held.append(stop)
    try:
        yield
    finally:
        _held.clear()
        for number, handler in before.items():
            # None: of a handler that was not made in Python.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


@contextlib.contextmanager
def _watched(stop: Stop) -> Iterator[None]:
    """Has a thread see to what the main one cannot, while it is deep in a library."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    thread = threading.Thread(target=_watch, args=(reader, stop), daemon=True, name="signals")
    thread.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        os.close(writer)
        thread.join()
        os.close(reader)


def _watch(reader: int, stop: Stop) -> None:
    """Ends the process at a second signal, or if it does not end by itself with nothing to lose.

    The interpreter writes the number of each signal into the pipe as it comes, whatever the main
    thread is doing. An end at once does no harm: what is being written is complete, or absent.
    """
    first_s: float | None = None
    patient_since_s = 0.0
    while True:
        ready = select.select([reader], [], [], None if first_s is None else SAME_SIGNAL_S)[0]
        read = os.read(reader, 64) if ready else None
        if read == b"":
            return  # The block has ended.
        came = [number for number in read or b"" if number in SIGNALS]
        now_s = time.monotonic()
        if came and first_s is None:
            first_s = patient_since_s = now_s
            _tell_of_first(came[0], stop)
        elif came and first_s is not None and now_s - first_s >= SAME_SIGNAL_S:
            _end(came[0], "ended by a second signal")
        if stop._at_stake:
            patient_since_s = now_s
        if first_s is not None and now_s - patient_since_s >= UNWINDING_S:
            _end(stop._number or signal.SIGTERM, "ended")


def _tell_of_first(number: int, stop: Stop) -> None:
    if stop._at_stake:
        name = signal.Signals(number).name
        _write(f"{name}: saving what is trained, then stopping; a second signal ends at once")


def _end(number: int, how: str) -> None:
    _write(f"{how}; {_GOES_ON}")
    os._exit(128 + number)


def _write(line: str) -> None:
    """Writes to stderr past Python's own buffers, which the main thread may be holding."""
    with contextlib.suppress(OSError):
        os.write(2, f"\nmirasol: {line}\n".encode())
