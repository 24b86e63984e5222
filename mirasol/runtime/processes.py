"""This process among the others of a run: what each has of model and batch, and what they add up.

    torchrun --nproc_per_node=4 -m mirasol train ...

They join when a runtime opens: by gloo between CPUs, by NCCL between GPUs. Each reads its share of
every batch; the first one decides what must be one decision, and writes.
"""

from __future__ import annotations

import abc
import contextlib
import functools
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import distributed, nn
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh

from mirasol.launched import launch
from mirasol.runtime import fully_sharded
from mirasol.runtime.base import Model, Total
from mirasol.runtime.mesh import AXES, BATCH_AXES
from mirasol.runtime.sharding import Sharding
from mirasol.runtime.talk import GlooTalk, NoTalk, Talk, gloo_silent, meet

_BACKENDS = {"cpu": "gloo", "cuda": "cpu:gloo,cuda:nccl"}


class Processes(abc.ABC):
    """The processes of a run, as one of them sees them.

    Attributes:
      sizes: of the mesh's axes.
      talk: theirs.
      share: which part of every batch this one reads, and of how many; processes that differ along
        the mesh's `tensor` alone read the same.
      total: adds scalars up over all that have other clips; None where none has.
    """

    sizes: dict[str, int]
    talk: Talk
    share: tuple[int, int]
    total: Total | None

    @abc.abstractmethod
    def largest(self, scalar: torch.Tensor) -> torch.Tensor:
        """Returns the largest of what they give, on the device."""

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

    share, total = (0, 1), None

    def __init__(self) -> None:
        self.sizes = dict.fromkeys(AXES, 1)
        self.talk = NoTalk()

    def largest(self, scalar: torch.Tensor) -> torch.Tensor:
        """Returns the one."""
        return scalar

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
        self.talk = GlooTalk()
        rank, tensor = distributed.get_rank(), self.sizes["tensor"]
        self.share = rank // tensor, self.talk.count // tensor
        self.total = self._total if self.share[1] > 1 else None

    def largest(self, scalar: torch.Tensor) -> torch.Tensor:
        """See Processes."""
        largest = scalar.detach().clone()
        distributed.all_reduce(largest, op=distributed.ReduceOp.MAX)
        return largest

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
        return f"{self.talk.count} processes ({laid_out})"

    def _total(self, values: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        stacked = torch.stack(list(values.values()))
        for axis in BATCH_AXES:
            if self.sizes[axis] > 1:
                distributed.all_reduce(stacked, group=self.mesh.get_group(axis))
        return dict(zip(values, stacked.unbind(), strict=True))


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
    meet(here, _BACKENDS[device])
    return Several(_device_mesh(device, tuple(sizes.values())), sharding, dtype)


@functools.cache
def _device_mesh(device: str, sizes: tuple[int, ...]) -> DeviceMesh:
    """Returns the mesh, the same one whenever a runtime is opened: each has groups of its own."""
    with gloo_silent():
        return init_device_mesh(device, sizes, mesh_dim_names=AXES)
