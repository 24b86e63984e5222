"""XLA through torch_xla: a TPU, or the CPU as the rehearsal of one (PJRT_DEVICE=CPU)."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import nn

from mirasol.batch import Batch
from mirasol.runtime.base import Inputs, Model, Output, Runtime, State, autocast, precision_dtype
from mirasol.runtime.torch_xla_import import import_torch_xla


class XlaRuntime(Runtime):
    """Compiled steps on one XLA device.

    Raises:
      ValueError: torch_xla is missing or does not load, TensorFlow came first, or PJRT_DEVICE
        names a kind of device that torch_xla does not drive.
    """

    def __init__(self, precision: str = "float32"):
        self._dtype = precision_dtype(precision)
        self._xla = import_torch_xla()
        self._device = self._xla.device()

    @property
    def name(self) -> str:
        """See Runtime."""
        return "xla"

    @property
    def device(self) -> torch.device:
        """See Runtime."""
        return self._device

    def place(self, model: Model) -> Model:
        """See Runtime. Tied parameters stay tied, which `model.to` alone does not see to."""
        owners = _owners_of_shared_parameters(model)
        model = model.to(self._device)
        for (first, first_name), *others in owners:
            for module, name in others:
                module._parameters[name] = first._parameters[first_name]
        return model

    def transfer(self, batch: Batch) -> Batch:
        """See Runtime."""
        return batch.to(self._device)

    def compile(self, function: Callable[Inputs, Output]) -> Callable[Inputs, Output]:
        """Returns the function compiled as one graph; a second graph in one call is an error.

        The function is traced at every call, and compiled when the trace is new.
        """
        return self._xla.compile(function, full_graph=True)

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
        copies = self._xla._XLAC._xla_get_cpu_tensors([leaves[i].detach() for i in on_device])
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

    def describe(self) -> str:
        """See Runtime."""
        dtype = str(self._dtype).removeprefix("torch.")
        return (
            f"xla: {os.environ['PJRT_DEVICE']}, {dtype}, torch {torch.__version__}, "
            f"torch_xla {self._xla.__version__}"
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
