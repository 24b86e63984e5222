"""XLA through torch_xla: TPUs, or the CPU as the rehearsal of them.

PJRT_DEVICE=CPU                     one device
PJRT_DEVICE=CPU CPU_NUM_DEVICES=4   four, as on a TPU host

Of a TPU slice of several hosts each runs a process (xla_hosts.py).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from mirasol.batch import Batch
from mirasol.runtime.base import (
    Fetch,
    Inputs,
    Model,
    Output,
    Runtime,
    State,
    autocast,
    precision_dtype,
)
from mirasol.runtime.peaks import peak_flops
from mirasol.runtime.sharding import WHOLE, Sharding
from mirasol.runtime.signatures import checked
from mirasol.runtime.talk import Talk
from mirasol.runtime.torch_xla_import import import_torch_xla, tpu_version
from mirasol.runtime.tracing import xla_trace
from mirasol.runtime.xla_devices import open_devices
from mirasol.runtime.xla_hosts import join_hosts


class XlaRuntime(Runtime):
    """Compiled steps on all XLA devices that there are; several by SPMD (xla_devices.py).

    Raises:
      ValueError: torch_xla is missing or does not load, TensorFlow came first, PJRT_DEVICE names a
        kind of device that torch_xla does not drive, hosts do not find one another, or the devices
        do not make the mesh.
    """

    def __init__(self, precision: str = "float32", sharding: Sharding = WHOLE):
        self._dtype = precision_dtype(precision)
        self._xla = import_torch_xla()
        self._talk = join_hosts()
        self._devices = open_devices(self._xla, sharding, self._talk)
        self._device = self._xla.device()

    @property
    def name(self) -> str:
        """See Runtime."""
        return "xla"

    @property
    def device(self) -> torch.device:
        """See Runtime."""
        return self._device

    @property
    def mesh(self) -> dict[str, int]:
        """See Runtime."""
        return self._devices.sizes

    @property
    def share(self) -> tuple[int, int]:
        """See Runtime."""
        return self._devices.share

    @property
    def answering(self) -> tuple[int, int]:
        """See Runtime: all devices compute one program, and what it is may depend on the batch."""
        return 0, 1

    @property
    def talk(self) -> Talk:
        """See Runtime."""
        return self._talk

    @property
    def fetch(self) -> Fetch:
        """See Runtime: all in one transfer, and put together where they lie in pieces.

        Whole tensors on every host, which must all ask.
        """
        return lambda tensors: self.to_host(dict(tensors))

    def place(self, model: Model) -> Model:
        """See Runtime. Tied parameters stay tied, which `model.to` alone does not see to."""
        owners = _owners_of_shared_parameters(model)
        model = model.to(self._device)
        for (first, first_name), *others in owners:
            for module, name in others:
                module._parameters[name] = first._parameters[first_name]
        self.lay_out(dict(model.named_parameters()))
        return model

    def lay_out(self, state: Mapping[str, Any]) -> None:
        """See Runtime."""
        for name, made in state.items():
            for tensor in torch.utils._pytree.tree_leaves(made):
                self._devices.lay_out(name, tensor)
        self._xla.sync()

    def transfer(self, batch: Batch) -> Batch:
        """See Runtime."""
        return self._devices.send(batch, self.share)

    def transfer_same(self, batch: Batch) -> Batch:
        """See Runtime."""
        return self._devices.send(batch, (0, 1))

    def compile(
        self, function: Callable[Inputs, Output], shapes: int = 1
    ) -> Callable[Inputs, Output]:
        """Returns the function compiled as one graph; a second graph in one call is an error.

        The function is traced at every call, and compiled when the trace is new.
        """
        return checked(self._xla.compile(function, full_graph=True), shapes)

    def seed(self, seed: int) -> None:
        """See Runtime; torch.manual_seed alone does not reach XLA's generator."""
        torch.manual_seed(seed)
        self._xla.manual_seed(seed)

    def autocast(self) -> AbstractContextManager:
        """See Runtime."""
        return autocast(self.device, self._dtype)

    def optimizer_options(self) -> dict[str, Any]:
        """Returns options that keep the count of steps on the device.

        Capturable AdamW at a rate of exactly 0 divides 0 by 0 wherever no gradient has come yet
        (rows of an embedding), and the parameters become NaN: keep the rate at 1e-20 or above.
        """
        return {"capturable": True}

    def end_step(self) -> None:
        """Executes the operations that no compiled function has."""
        self._xla.sync()

    def scalars(self, values: Mapping[str, torch.Tensor]) -> dict[str, float]:
        """See Runtime. Stacking them on the device would compile a graph for the purpose."""
        return {name: float(value) for name, value in self.to_host(dict(values)).items()}

    def to_host(self, state: State) -> State:
        """See Runtime."""
        leaves, layout = torch.utils._pytree.tree_flatten(state)
        places = [i for i, leaf in enumerate(leaves) if isinstance(leaf, torch.Tensor)]
        # Only XLA tensors may be in the list; each comes back as a fresh tensor.
        on_device = [i for i in places if leaves[i].device.type == "xla"]
        copies = self._devices.fetch([leaves[i].detach() for i in on_device])
        fetched = dict(zip(on_device, copies, strict=True))
        for i in places:
            leaves[i] = fetched[i] if i in fetched else leaves[i].detach().clone()
        return torch.utils._pytree.tree_unflatten(leaves, layout)

    @torch.no_grad()
    def settle(self, state: Any) -> None:
        """Gives single numbers that came from the host memory of their own.

        torch_xla keeps equal ones in one buffer. AdamW's counts of steps would be one input of
        the first step and many of the next: the whole step would be compiled twice.
        """
        for tensor in torch.utils._pytree.tree_leaves(state):
            if (
                isinstance(tensor, torch.Tensor)
                and tensor.ndim == 0
                and tensor.device == self.device
            ):
                tensor.mul_(1)
        self._xla.sync()

    def compiled_graphs(self) -> int:
        """Returns how many graphs torch_xla has compiled in this process."""
        return self._xla._XLAC._xla_counter_value("UncachedCompile") or 0

    def trace(self, folder: Path) -> AbstractContextManager[None]:
        """See Runtime."""
        return xla_trace(folder)

    def peak_memory(self) -> int | None:
        """Returns what the device says; the CPU says nothing."""
        if os.environ["PJRT_DEVICE"] != "TPU":
            return None
        from torch_xla.core import xla_model

        info: dict[str, Any] = dict(xla_model.get_memory_info(self._device))
        return info.get("peak_bytes_used")

    def peak_flops(self) -> float | None:
        """Returns that of bfloat16, with which a TPU multiplies float32, too, in several passes."""
        known = self._dtype == torch.bfloat16 and os.environ["PJRT_DEVICE"] == "TPU"
        return peak_flops(f"TPU {tpu_version()}") if known else None

    def describe(self) -> str:
        """See Runtime."""
        dtype = str(self._dtype).removeprefix("torch.")
        hosts = f"{self._talk.count} hosts, " if self._talk.count > 1 else ""
        return (
            f"xla: {os.environ['PJRT_DEVICE']}, {hosts}{self._devices.describe()}, {dtype}, "
            f"torch {torch.__version__}, torch_xla {self._xla.__version__}"
        )


def _owners_of_shared_parameters(model: nn.Module) -> list[list[tuple[nn.Module, str]]]:
    """Returns, for each parameter that stands in several places, those places.

    Moved to XLA, a parameter becomes a new object (its storage cannot be swapped), once in each
    place, so that an output layer tied to an embedding would train on its own.
    """
    owners: dict[nn.Parameter, list[tuple[nn.Module, str]]] = {}
    for module in model.modules():
        for name, parameter in module._parameters.items():
            if parameter is not None:
                owners.setdefault(parameter, []).append((module, name))
    return [places for places in owners.values() if len(places) > 1]
