"""What the CPU and CUDA have in common: tensors of torch itself, in one process or in several."""

from __future__ import annotations

import abc
from contextlib import AbstractContextManager
from typing import Any

import torch

from mirasol.runtime.base import Model, Runtime, Total, autocast, precision_dtype
from mirasol.runtime.processes import join
from mirasol.runtime.sharding import Sharding
from mirasol.runtime.talk import Talk

# Between the seeds of two shares: above those that a training gives its steps.
_SHARES_APART = 2**40


class TorchRuntime(Runtime, abc.ABC):
    """A runtime on one device of this process, which may be one of several processes.

    Args:
      device: of this process.
      precision: see `open_runtime`.
      sharding: see `open_runtime`.

    Raises:
      ValueError: an unknown precision, or a mesh that the processes do not make.
    """

    def __init__(self, device: torch.device, precision: str, sharding: Sharding):
        self._device = device
        self._dtype = precision_dtype(precision)
        self._processes = join(sharding, device.type, self._dtype)

    @property
    def device(self) -> torch.device:
        """See Runtime."""
        return self._device

    @property
    def share(self) -> tuple[int, int]:
        """See Runtime."""
        return self._processes.share

    @property
    def mesh(self) -> dict[str, int]:
        """See Runtime."""
        return self._processes.sizes

    @property
    def talk(self) -> Talk:
        """See Runtime."""
        return self._processes.talk

    @property
    def total(self) -> Total | None:
        """See Runtime."""
        return self._processes.total

    def largest(self, scalar: torch.Tensor) -> torch.Tensor:
        """See Runtime."""
        return self._processes.largest(scalar)

    def place(self, model: Model) -> Model:
        """See Runtime; pieces of it where there are several processes."""
        return self._processes.place(model, self._device)

    def whole(self, model: torch.nn.Module) -> AbstractContextManager:
        """See Runtime."""
        return self._processes.whole(model)

    def seed(self, seed: int) -> None:
        """See Runtime; torch.manual_seed seeds CUDA's generators, too.

        Processes with other clips draw other numbers, those with the same clips the same.
        """
        torch.manual_seed((seed + self.share[0] * _SHARES_APART) % 2**63)

    def autocast(self) -> AbstractContextManager:
        """See Runtime."""
        return autocast(self._device, self._dtype)

    def optimizer_options(self) -> dict[str, Any]:
        """See Runtime."""
        return self._processes.optimizer_options()

    def settle(self, state: Any) -> None:
        """Nothing to do: tensors do not share memory here."""

    def _told(self, kind: str, device: str) -> str:
        """Returns what `describe` does."""
        dtype = str(self._dtype).removeprefix("torch.")
        told = [kind, dtype, device, self._processes.told(), f"torch {torch.__version__}"]
        return f"{self.name}: {', '.join(filter(None, told))}"
