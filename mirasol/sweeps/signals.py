"""Signals that ask to stop, gathered rather than obeyed at once."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator

TAKEN_AWAY = signal.SIGUSR2  # By which submitit tells that a machine is wanted back.


@contextlib.contextmanager
def gathered(*more: signal.Signals) -> Iterator[list[int]]:
    """Gathers SIGTERM, SIGINT and those given while the block runs."""
    heard: list[int] = []

    def take(number: int, frame: object) -> None:
        heard.append(number)

    before = {each: signal.signal(each, take) for each in (signal.SIGTERM, signal.SIGINT, *more)}
    try:
        yield heard
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


@contextlib.contextmanager
def kept_from_children(number: signal.Signals) -> Iterator[None]:
    """Has processes that are started in the block never hear a signal; this one hears it later."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {number})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
