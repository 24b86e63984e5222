"""How tensors lie on XLA devices: all on the one that there is, or over several by SPMD.

SPMD (GSPMD, arXiv 2105.04663): the program is that of one device and whole tensors. Parameters,
what the optimizer keeps of them, and inputs are marked with where they lie; from these marks the
compiler cuts all else, and puts in what the devices say to each other.

    marked                              found by the compiler
    parameters, moments, inputs    ->   activations, gradients, gathering and adding up
"""

from __future__ import annotations

import abc
import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from mirasol.batch import Batch
from mirasol.runtime.mesh import AXES, BATCH_AXES
from mirasol.runtime.sharding import Sharding
from mirasol.runtime.talk import Talk
from mirasol.runtime.xla_pieces import Pieces


def open_devices(torch_xla: Any, sharding: Sharding, talk: Talk) -> XlaDevices:
    """Returns the devices that there are, of all hosts, laid out as the mesh says.

    Args:
      torch_xla: the module.
      sharding: of the run.
      talk: of the hosts.

    Raises:
      ValueError: the devices do not make the mesh, or a host's hold rows of a batch that no equal
        part has.
    """
    import torch_xla.runtime as xr

    sizes = sharding.mesh.sizes(xr.global_runtime_device_count())
    if max(sizes.values()) == 1:
        return OneDevice(torch_xla)
    return SpmdDevices(torch_xla, sharding, sizes, talk)


class XlaDevices(abc.ABC):
    """The devices of an XLA runtime, as one `torch.device`.

    Attributes:
      sizes: of the axes of the mesh.
    """

    sizes: dict[str, int]

    @property
    @abc.abstractmethod
    def share(self) -> tuple[int, int]:
        """See Runtime."""

    @abc.abstractmethod
    def send(self, batch: Batch, share: tuple[int, int]) -> Batch:
        """Returns a batch on the devices; the copy may still be under way.

        Args:
          batch: what this process has of it.
          share: which part of the whole batch that is: (index, count).
        """

    @abc.abstractmethod
    def lay_out(self, name: str, tensor: torch.Tensor) -> None:
        """Has a tensor that belongs to a parameter of this name lie as the rules say, in place."""

    @abc.abstractmethod
    def fetch(self, tensors: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """Returns whole copies on the host of tensors that all lie on the devices."""

    @abc.abstractmethod
    def describe(self) -> str:
        """Returns what of them belongs into a line of the log."""


class OneDevice(XlaDevices):
    """A single device: everything lies on it."""

    def __init__(self, torch_xla: Any):
        self._xla = torch_xla
        self.sizes = dict.fromkeys(AXES, 1)

    @property
    def share(self) -> tuple[int, int]:
        """All of every batch."""
        return 0, 1

    def send(self, batch: Batch, share: tuple[int, int]) -> Batch:
        """See XlaDevices."""
        return batch.to(self._xla.device())

    def lay_out(self, name: str, tensor: torch.Tensor) -> None:
        """Everything lies here already."""

    def fetch(self, tensors: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """See XlaDevices."""
        return self._xla._XLAC._xla_get_cpu_tensors(list(tensors))

    def describe(self) -> str:
        """See XlaDevices."""
        return "1 device"


# torch_xla 2.9 reads marks of so many dimensions at most from Python; video has six.
_WIDEST = 5


class SpmdDevices(XlaDevices):
    """Several devices, of this process and of others that run the same program.

    Opening it turns the whole process to SPMD: before any tensor is made on XLA.

    Args:
      torch_xla: the module.
      sharding: of the run.
      sizes: of the axes of its mesh.
      talk: of these processes.

    Raises:
      ValueError: the devices of this process hold rows of a batch that no equal part has.
    """

    def __init__(self, torch_xla: Any, sharding: Sharding, sizes: dict[str, int], talk: Talk):
        import torch_xla.runtime as xr
        from torch_xla.distributed import spmd

        self._xla, self._spmd = torch_xla, spmd
        self._sharding, self.sizes = sharding, sizes
        if not xr.is_spmd():
            xr.use_spmd()
        own = [int(name.rpartition(":")[2]) for name in torch_xla.real_devices()]
        order = in_order_of_hosts(talk.gathered(own))
        self._mesh = spmd.Mesh(np.array(order), tuple(sizes.values()), AXES)
        self._pieces = sizes["data"] * sizes["fsdp"]
        self._share = share_of_rows([order.index(device) for device in own], sizes)
        self._in_pieces_fetched = Pieces(torch_xla)

    @property
    def share(self) -> tuple[int, int]:
        """See Runtime: the rows that the devices of this process hold."""
        return self._share

    def send(self, batch: Batch, share: tuple[int, int]) -> Batch:
        """Returns the batch, each device with its own clips alone.

        Copies are made by XLA's own threads while the host goes on. A batch that cannot be cut
        evenly (a single question to a trained model) lies whole on every device; all processes
        must have all of it, then.
        """
        return batch.map(lambda tensor: self._send(tensor, share))

    def _send(self, tensor: torch.Tensor, share: tuple[int, int]) -> torch.Tensor:
        rows = with_rows_of_others(tensor, share)
        assert share[1] == 1 or len(rows) % self._pieces == 0, "a share of a batch cut evenly"
        sent = rows.to(self._xla.device())  # Stays on the host until it is known where it lies.
        if len(rows) % self._pieces == 0:
            self._xla._XLAC._xla_mark_sharding(sent, self._over_rows(sent.ndim))
        return sent

    @functools.cache  # noqa: B019  # As long as the process; there is one.
    def _over_rows(self, dimensions: int) -> Any:
        """Returns the mark of a tensor whose first dimension is the batch's."""
        narrow = min(dimensions, _WIDEST)
        mark = self._mesh.get_op_sharding((BATCH_AXES,) + (None,) * (narrow - 1))
        if narrow == dimensions:
            return mark
        # A mark of more dimensions cannot be written down, but the compiler finds it for a tensor
        # that is given more, and it can be taken from there.
        tensor = torch.zeros(self._pieces, *(1,) * (narrow - 1)).to(self._xla.device())
        self._xla._XLAC._xla_mark_sharding(tensor, mark)
        wide = tensor.view(*tensor.shape, *(1,) * (dimensions - narrow))
        self._xla.sync()
        return self._xla._XLAC._get_xla_op_sharding(wide)

    def lay_out(self, name: str, tensor: torch.Tensor) -> None:
        """See XlaDevices.

        Not by spmd.mark_sharding, which imports jax where there is one, and with it TensorFlow.
        """
        axes = self._sharding.axes(name, tensor.shape, self.sizes)
        if tensor.ndim:
            mark = self._mesh.get_op_sharding(axes)
            self._xla._XLAC._xla_mark_sharding(tensor, mark)

    def fetch(self, tensors: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """See XlaDevices; `tensor.cpu()` would compile a program for each that lies in pieces."""
        pieces = [tensor for tensor in tensors if self._in_pieces(tensor)]
        whole = [tensor for tensor in tensors if not self._in_pieces(tensor)]
        found = zip(
            [*map(id, pieces), *map(id, whole)],
            [*self._in_pieces_fetched.fetch(pieces), *self._xla._XLAC._xla_get_cpu_tensors(whole)],
            strict=True,
        )
        by_id = dict(found)
        return [by_id[id(tensor)] for tensor in tensors]

    def _in_pieces(self, tensor: torch.Tensor) -> bool:
        kind = self._xla._XLAC._get_xla_sharding_type(tensor)
        return kind is not None and kind != self._spmd.ShardingType.REPLICATED

    def describe(self) -> str:
        """See XlaDevices."""
        return " x ".join(f"{axis} {size}" for axis, size in self.sizes.items())


def in_order_of_hosts(devices: Sequence[Sequence[int]]) -> list[int]:
    """Returns the numbers of all devices, those of a host side by side.

    On a TPU they may run over the whole slice, row by row: of 4 x 4 chips the first of four hosts
    then has the numbers 0, 1, 4 and 5.

    Args:
      devices: numbers of each host's own.
    """
    return [number for own in devices for number in sorted(own)]


def share_of_rows(own: Sequence[int], sizes: dict[str, int]) -> tuple[int, int]:
    """Returns which part of every batch the devices of a process hold: (index, count).

    Devices that share the arithmetic of layers hold the same rows; where those are of several
    processes, each of these has the same share.

    Args:
      own: places of the process's devices in the mesh.
      sizes: of the axes of the mesh.

    Raises:
      ValueError: they hold no equal part of neighbouring rows.
    """
    pieces = sizes["data"] * sizes["fsdp"]
    held = sorted({device // sizes["tensor"] for device in own})
    first, count = held[0], len(held)
    if held != list(range(first, first + count)) or pieces % count or first % count:
        raise ValueError(
            f"this process drives the devices {sorted(own)} of the mesh, which hold the pieces "
            f"{held} of {pieces} of every batch; a process must hold an equal run of neighbours: "
            "make Mesh.tensor a divisor or a multiple of the devices of a process"
        )
    return first // count, pieces // count


def with_rows_of_others(tensor: torch.Tensor, share: tuple[int, int]) -> torch.Tensor:
    """Returns a tensor of all rows, of which those of other processes are never looked at.

    torch_xla cuts a tensor of all rows, and of it takes only what its own devices hold; the memory
    of the rest is not even touched.
    """
    index, count = share
    if count == 1:
        return tensor
    rows = len(tensor)
    everyone = tensor.new_empty((rows * count, *tensor.shape[1:]))
    everyone[index * rows : (index + 1) * rows] = tensor
    return everyone
