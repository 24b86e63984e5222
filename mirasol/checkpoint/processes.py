"""Who saves and restores together: this process alone, or all of torch.distributed's.

The first one looks at the folder and decides: which step, what goes. All write and read their parts
of the tensors. What fails in one of them is raised in all, so that none waits for another in vain.
"""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Callable
from typing import Any, TypeVar

from torch import distributed

from mirasol.runtime.talk import gloo_silent

Value = TypeVar("Value")


class Processes(abc.ABC):
    """The processes that call the same methods of a manager in the same order.

    Attributes:
      group: as torch.distributed knows them; None: this process alone.
    """

    group: distributed.ProcessGroup | None

    @abc.abstractmethod
    def decided(self, decide: Callable[[], Value]) -> Value:
        """Returns, in all of them, what the first one decides; its error is raised in all."""

    @abc.abstractmethod
    def agreed(self, act: Callable[[], Value]) -> Value:
        """Acts in each of them, and returns its own result; an error of one is raised in all."""


class Alone(Processes):
    """This process alone."""

    group = None

    def decided(self, decide: Callable[[], Value]) -> Value:
        """Decides."""
        return decide()

    def agreed(self, act: Callable[[], Value]) -> Value:
        """Acts."""
        return act()


class Together(Processes):
    """All processes of torch.distributed, which must all make one.

    They talk over a group of their own, on gloo: a thread saves while the training talks, too, and
    two talks over one group would be mixed up.
    """

    def __init__(self) -> None:
        with gloo_silent():
            self.group = distributed.new_group(backend="gloo")
        self._first = distributed.get_global_rank(self.group, 0)

    def decided(self, decide: Callable[[], Value]) -> Value:
        """Decides in the first one, and tells the others."""
        leads = distributed.get_rank(self.group) == 0
        told = [_outcome(decide) if leads else _Outcome()]
        distributed.broadcast_object_list(told, src=self._first, group=self.group)
        return told[0].result()

    def agreed(self, act: Callable[[], Value]) -> Value:
        """Acts, and hears how the others fared."""
        own = _outcome(act)
        errors = [own.error] * distributed.get_world_size(self.group)
        distributed.all_gather_object(errors, own.error, group=self.group)
        return dataclasses.replace(own, error=next(filter(None, errors), None)).result()


def processes_here() -> Processes:
    """Returns all processes of torch.distributed, or this one where there are no others."""
    started = distributed.is_available() and distributed.is_initialized()
    return Together() if started and distributed.get_world_size() > 1 else Alone()


@dataclasses.dataclass(frozen=True)
class _Outcome:
    """What an action returned, or raised."""

    value: Any = None
    error: Exception | None = None

    def result(self) -> Any:
        if self.error is not None:
            raise self.error
        return self.value


def _outcome(act: Callable[[], Any]) -> _Outcome:
    try:
        return _Outcome(value=act())
    except Exception as error:
        return _Outcome(error=error)
