"""This process among the others of a run: what they add up, decide and agree on.

    torchrun --nproc_per_node=4 -m mirasol train ...

They join when a runtime opens: by gloo between CPUs, by NCCL between GPUs. Each reads its share of
every batch; the first one decides what must be one decision, and writes.
"""

from __future__ import annotations

import abc
import atexit
import contextlib
import datetime
import functools
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import distributed, nn
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh

from mirasol.launched import Launch, launch
from mirasol.runtime import fully_sharded
from mirasol.runtime.base import Agreed, Model, Total, Value
from mirasol.runtime.mesh import AXES, BATCH_AXES
from mirasol.runtime.sharding import Sharding

# Longer than the first process ever takes while the others wait: it makes data and computes scores.
_TIMEOUT = datetime.timedelta(minutes=30)
_BACKENDS = {"cpu": "gloo", "cuda": "cpu:gloo,cuda:nccl"}


class ElsewhereError(RuntimeError):
    """Another process has failed, and tells of it."""


class Processes(abc.ABC):
    """The processes of a run, as one of them sees them.

    Attributes:
      sizes: of the mesh's axes.
      share: which part of every batch this one reads, and of how many; processes that differ along
        the mesh's `tensor` alone read the same.
      leads: whether this one writes and speaks for all.
      total: adds scalars up over all that have other clips; None where none has.
      agreed: the largest of the numbers that the processes give; None where there is one process.
    """

    sizes: dict[str, int]
    share: tuple[int, int]
    leads: bool
    total: Total | None
    agreed: Agreed | None

    @abc.abstractmethod
    def largest(self, scalar: torch.Tensor) -> torch.Tensor:
        """Returns the largest of what they give, on the device."""

    @abc.abstractmethod
    def decided(self, decide: Callable[[], Value]) -> Value:
        """Returns, in all of them, what the first one decides.

        Raises:
          ElsewhereError: in all but the first, which raises what it was.
        """

    @abc.abstractmethod
    def gathered(self, value: Value) -> list[Value]:
        """Returns what each of them gives, in their order."""

    @abc.abstractmethod
    def place(self, model: Model, device: torch.device) -> Model:
        """Puts a model on the device, in place, or this process's pieces of it; returns it."""

    @abc.abstractmethod
    def whole(self, model: nn.Module) -> AbstractContextManager:
        """See Runtime."""

    @abc.abstractmethod
    def optimizer_options(self) -> dict[str, Any]:
        """Returns the arguments of torch's optimizer that suit how parameters lie."""

    @abc.abstractmethod
    def told(self) -> str:
        """Returns some words about them; none about one."""


class Alone(Processes):
    """There are no others."""

    share, leads, total, agreed = (0, 1), True, None, None

    def __init__(self) -> None:
        self.sizes = dict.fromkeys(AXES, 1)

    def largest(self, scalar: torch.Tensor) -> torch.Tensor:
        """Returns the one."""
        return scalar

    def decided(self, decide: Callable[[], Value]) -> Value:
        """Decides."""
        return decide()

    def gathered(self, value: Value) -> list[Value]:
        """Returns the one value."""
        return [value]

    def place(self, model: Model, device: torch.device) -> Model:
        """Moves the model."""
        return model.to(device)

    def whole(self, model: nn.Module) -> AbstractContextManager:
        """Does nothing."""
        return contextlib.nullcontext()

    def optimizer_options(self) -> dict[str, Any]:
        """Moves all parameters at once."""
        return {"fused": True}

    def told(self) -> str:
        """Returns nothing."""
        return ""


class Several(Processes):
    """Those of a mesh.

    Args:
      mesh: all processes by AXES, as torch knows them.
      sharding: how they share a model.
      dtype: that parameters are gathered in.
    """

    def __init__(self, mesh: DeviceMesh, sharding: Sharding, dtype: torch.dtype):
        self.mesh, self.sharding, self.dtype = mesh, sharding, dtype
        self.sizes = dict(zip(AXES, mesh.shape, strict=True))
        rank, tensor = distributed.get_rank(), self.sizes["tensor"]
        self.share = rank // tensor, distributed.get_world_size() // tensor
        self.leads = rank == 0
        self.total = self._total if self.share[1] > 1 else None
        self.agreed = self._largest

    def largest(self, scalar: torch.Tensor) -> torch.Tensor:
        """See Processes."""
        largest = scalar.detach().clone()
        distributed.all_reduce(largest, op=distributed.ReduceOp.MAX)
        return largest

    def decided(self, decide: Callable[[], Value]) -> Value:
        """See Processes."""
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
        """See Processes."""
        values = [value] * distributed.get_world_size()
        distributed.all_gather_object(values, value)
        return values

    def place(self, model: Model, device: torch.device) -> Model:
        """Cuts the model up; its pieces come to the device layer by layer."""
        fully_sharded.shard(model, self.mesh, self.sharding, self.dtype)
        return model

    def whole(self, model: nn.Module) -> AbstractContextManager:
        """See Runtime."""
        return fully_sharded.gathered(model)

    def optimizer_options(self) -> dict[str, Any]:
        """Moves all parameters at once, unless some lie over more axes than others."""
        return {"foreach": False} if self.sizes["tensor"] > 1 else {"fused": True}

    def told(self) -> str:
        """Returns the mesh."""
        laid_out = " x ".join(f"{axis} {size}" for axis, size in self.sizes.items())
        return f"{distributed.get_world_size()} processes ({laid_out})"

    def _total(self, values: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        stacked = torch.stack(list(values.values()))
        for axis in BATCH_AXES:
            if self.sizes[axis] > 1:
                distributed.all_reduce(stacked, group=self.mesh.get_group(axis))
        return dict(zip(values, stacked.unbind(), strict=True))

    def _largest(self, number: int) -> int:
        # On the host, whatever the device: nothing there is waited for.
        largest = torch.tensor(number)
        distributed.all_reduce(largest, op=distributed.ReduceOp.MAX)
        return int(largest)


def join(sharding: Sharding, device: str, dtype: torch.dtype) -> Processes:
    """Returns the processes that torchrun started, which this one joins; or itself, alone.

    Args:
      sharding: how they share a model.
      device: "cpu" or "cuda".
      dtype: of matrix products.

    Raises:
      ValueError: they are not as many as the mesh says.
    """
    here = launch()
    sizes = sharding.mesh.sizes(here.world)
    if not here.several:
        return Alone()
    _meet(here, _BACKENDS[device])
    return Several(_device_mesh(device, tuple(sizes.values())), sharding, dtype)


def _meet(here: Launch, backend: str) -> None:
    """Makes the processes know one another; once."""
    if distributed.is_initialized():
        return
    with gloo_silent():
        distributed.init_process_group(
            backend, rank=here.rank, world_size=here.world, timeout=_TIMEOUT
        )
    atexit.register(_part)


def _part() -> None:
    if distributed.is_initialized():
        distributed.destroy_process_group()


@functools.cache
def _device_mesh(device: str, sizes: tuple[int, ...]) -> DeviceMesh:
    """Returns the mesh, the same one whenever a runtime is opened: each has groups of its own."""
    with gloo_silent():
        return init_device_mesh(device, sizes, mesh_dim_names=AXES)


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
