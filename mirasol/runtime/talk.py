"""What the processes of a run tell one another on their hosts, beside what their devices compute.

Gloo carries it, whatever the devices. They must all call the same methods in the same order.
"""

from __future__ import annotations

import abc
import atexit
import contextlib
import datetime
import os
import sys
from collections.abc import Callable, Iterator
from typing import TypeVar

import torch
from torch import distributed

from mirasol.launched import Launch

# Longer than the first process ever takes while the others wait: it makes data and computes scores.
_TIMEOUT = datetime.timedelta(minutes=30)

Agreed = Callable[[int], int]
"""Returns the largest of the numbers that the processes of a run give."""

Value = TypeVar("Value")


class ElsewhereError(RuntimeError):
    """Another process has failed, and tells of it."""


class Talk(abc.ABC):
    """The talk of the processes of a run, as one of them takes part in it.

    Attributes:
      count: how many they are.
      leads: whether this one writes and speaks for all.
      agreed: the largest of the numbers that the processes give; None where there is one process.
    """

    count: int
    leads: bool
    agreed: Agreed | None

    @abc.abstractmethod
    def decided(self, decide: Callable[[], Value]) -> Value:
        """Returns, in all of them, what the first one decides.

        Raises:
          ElsewhereError: in all but the first, which raises what it was.
        """

    @abc.abstractmethod
    def gathered(self, value: Value) -> list[Value]:
        """Returns what each of them gives, in their order."""


class NoTalk(Talk):
    """There are no others."""

    count, leads, agreed = 1, True, None

    def decided(self, decide: Callable[[], Value]) -> Value:
        """Decides."""
        return decide()

    def gathered(self, value: Value) -> list[Value]:
        """Returns the one value."""
        return [value]


class GlooTalk(Talk):
    """All processes of torch.distributed, which have met."""

    def __init__(self) -> None:
        self.count = distributed.get_world_size()
        self.leads = distributed.get_rank() == 0
        self.agreed = self._largest

    def decided(self, decide: Callable[[], Value]) -> Value:
        """See Talk."""
        told: list[tuple[bool, Value | str]] = [(False, "")]
        if self.leads:
            try:
                told = [(True, decide())]
            except Exception as error:
                distributed.broadcast_object_list([(False, str(error))], src=0)
                raise
        distributed.broadcast_object_list(told, src=0)
        ((well, value),) = told
        if not well:
            raise ElsewhereError(f"the first process failed: {value}")
        return value  # type: ignore[return-value]

    def gathered(self, value: Value) -> list[Value]:
        """See Talk."""
        values = [value] * self.count
        distributed.all_gather_object(values, value)
        return values

    def _largest(self, number: int) -> int:
        # On the host, whatever the device: nothing there is waited for.
        largest = torch.tensor(number)
        distributed.all_reduce(largest, op=distributed.ReduceOp.MAX)
        return int(largest)


def meet(here: Launch, backend: str) -> bool:
    """Makes the processes know one another; once. Returns whether that was now."""
    if distributed.is_initialized():
        return False
    with gloo_silent():
        distributed.init_process_group(
            backend, rank=here.rank, world_size=here.world, timeout=_TIMEOUT
        )
    atexit.register(_part)
    return True


def _part() -> None:
    if distributed.is_initialized():
        distributed.destroy_process_group()


@contextlib.contextmanager
def gloo_silent() -> Iterator[None]:
    """Keeps off stdout who is connected to whom, which gloo writes there, past Python."""
    sys.stdout.flush()
    stdout, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    try:
        yield
    finally:
        os.dup2(stdout, 1)
        os.close(stdout)
        os.close(nowhere)
