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
from collections.abc import Callable, Iterator
from types import FrameType

from mirasol.launched import launch

SIGNALS = (signal.SIGTERM, signal.SIGINT)
# Some senders give one signal twice: GNU timeout to the process, and then to its group.
SAME_SIGNAL_S = 0.5
# What has nothing to lose, and does not end in this time, is ended: a library that holds on to a
# worker, a compiler that does not come back.
UNWINDING_S = 10.0
# How long what waits for other processes has to come to an end of its own: an exception within
# their talk would leave them in the middle of it, and they would complain.
PATIENCE_S = 2.0

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
        self._patient = False
        self._at_stake = False
        self._agreed: Callable[[int], int] | None = None

    @contextlib.contextmanager
    def together(self, agreed: Callable[[int], int] | None) -> Iterator[None]:
        """Has several processes stop at the same `check`, to which all must come, in the block.

        A signal to one of them is one to all. It breaks nothing off but what is expendable: a
        process that left the others in the middle of their talk would have them wait in vain.

        Args:
          agreed: returns the largest of the numbers that the processes give; None: there is but
            this one, and nothing changes.
        """
        before, self._agreed = self._agreed, agreed
        try:
            yield
        finally:
            self._agreed = before

    def check(self) -> None:
        """Raises Stopped if a signal has come, to this process or to one that it stops with."""
        if self._agreed is None:
            self._check_own()
        elif number := self._agreed(self._number or 0):
            raise Stopped(number)

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
    def interruptible(self, patiently: bool = False) -> Iterator[None]:
        """Lets a signal break off the block, by Stopped; also one that has come before.

        So ends any error that the block has after a signal: workers that got the signal, too, are
        gone. Processes that stop together break nothing off.

        Args:
          patiently: whether the block first gets PATIENCE_S to come to its end.
        """
        if self._agreed is None:
            with self._breaking_off(patiently):
                yield
            return
        try:
            yield
        except Exception:
            if self._number is not None:
                self.check()
            raise

    @contextlib.contextmanager
    def expendable(self) -> Iterator[None]:
        """Lets a signal break off the block, of which nothing has to be saved.

        Not even the interpreter's next step has to be waited for: a compiler may take minutes.
        """
        before, self._at_stake = self._at_stake, False
        try:
            with self._breaking_off():
                yield
        finally:
            self._at_stake = before

    @contextlib.contextmanager
    def _breaking_off(self, patiently: bool = False) -> Iterator[None]:
        before = self._breaks_off, self._patient
        self._breaks_off, self._patient = True, patiently
        try:
            self._check_own()
            yield
        except Exception:
            self._check_own()
            raise
        finally:
            self._breaks_off, self._patient = before

    def _check_own(self) -> None:
        if self._number is not None:
            raise Stopped(self._number)

    def _take(self, number: int, frame: FrameType | None) -> None:
        """Handles a signal, in the main thread, between two steps of the interpreter."""
        self._number = self._number or number
        if self._breaks_off and not self._patient:
            self._check_own()


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
    thread = threading.Thread(target=_Watch(reader, stop).run, daemon=True, name="signals")
    thread.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        os.close(writer)
        thread.join()
        os.close(reader)


class _Watch:
    """Ends the process at a second signal, or if it does not end by itself with nothing to lose.

    The interpreter writes the number of each signal into the pipe as it comes, whatever the main
    thread is doing. An end at once does no harm: what is being written is complete, or absent.

    Args:
      reader: the end of the pipe that is read.
      stop: of the block that is watched.
    """

    def __init__(self, reader: int, stop: Stop):
        self._reader, self._stop = reader, stop
        self._first_s: float | None = None  # When the first signal came.
        self._unwinding_since_s = 0.0  # Since when there is nothing to lose any more.
        self._nudged = False  # By a signal of this thread's own, which is not the second.

    def run(self) -> None:
        """Watches until the block has ended."""
        while (came := self._next()) is not None:
            now_s = time.monotonic()
            if self._first_s is not None:
                self._hurry(came, now_s, now_s - self._first_s)
            elif came:
                self._first_s = self._unwinding_since_s = now_s
                _tell_of_first(came[0], self._stop)

    def _next(self) -> list[int] | None:
        """Returns the signals that came, after the first one at times none; None: it has ended."""
        wait_s = None if self._first_s is None else SAME_SIGNAL_S
        if not select.select([self._reader], [], [], wait_s)[0]:
            return []
        read = os.read(self._reader, 64)
        return [number for number in read if number in SIGNALS] if read else None

    def _hurry(self, came: list[int], now_s: float, since_first_s: float) -> None:
        """Breaks off what has waited long enough, and ends what does not end."""
        stop = self._stop
        if came and since_first_s >= SAME_SIGNAL_S and not self._nudged:
            _end(came[0], "ended by a second signal")
        self._nudged = stop._patient and since_first_s >= PATIENCE_S
        if self._nudged:
            stop._patient = False
            signal.pthread_kill(threading.main_thread().ident or 0, stop._number or signal.SIGTERM)
        if stop._at_stake:
            self._unwinding_since_s = now_s
        if now_s - self._unwinding_since_s >= UNWINDING_S:
            _end(stop._number or signal.SIGTERM, "ended")


def _tell_of_first(number: int, stop: Stop) -> None:
    if stop._at_stake and launch().leads:
        name = signal.Signals(number).name
        _write(f"{name}: saving what is trained, then stopping; a second signal ends at once")


def _end(number: int, how: str) -> None:
    _write(f"{how}; {_GOES_ON}")
    os._exit(128 + number)


def _write(line: str) -> None:
    """Writes to stderr past Python's own buffers, which the main thread may be holding."""
    with contextlib.suppress(OSError):
        os.write(2, f"\nmirasol: {line}\n".encode())
