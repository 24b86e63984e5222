"""One CUDA device, with torch.compile."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any

import torch

from mirasol.batch import Batch
from mirasol.runtime.base import (
    Inputs,
    Model,
    Output,
    Runtime,
    State,
    autocast,
    map_tensors,
    precision_dtype,
)


class CudaRuntime(Runtime):
    """Compiled steps on the current CUDA device.

    Raises:
      ValueError: no CUDA device, or a torch without CUDA.
    """

    def __init__(self, precision: str = "float32"):
        self._dtype = precision_dtype(precision)
        if not torch.cuda.is_available():
            raise ValueError(
                "runtime 'cuda' is not available: torch "
                f"{torch.__version__} (built for CUDA {torch.version.cuda}) sees no CUDA device; "
                "use --runtime=cpu, or install a driver and a torch built for CUDA"
            )
        self._device = torch.device("cuda", torch.cuda.current_device())

    @property
    def name(self) -> str:
        """See Runtime."""
        return "cuda"

    @property
    def device(self) -> torch.device:
        """See Runtime."""
        return self._device

    def place(self, model: Model) -> Model:
        """See Runtime."""
        return model.to(self._device)

    def transfer(self, batch: Batch) -> Batch:
        """Returns the batch on the device; copied in the background where it is page-locked."""
        return batch.to(self._device, non_blocking=True)

    def compile(self, function: Callable[Inputs, Output]) -> Callable[Inputs, Output]:
        """Returns the function under torch.compile.

        Not as one graph: a step that calls `backward()` breaks there, into the forward with its
        backward, and the optimizer.
        """
        return torch.compile(function, dynamic=False)

    def seed(self, seed: int) -> None:
        """See Runtime; torch.manual_seed seeds CUDA's generators too."""
        torch.manual_seed(seed)

    def autocast(self) -> AbstractContextManager:
        """See Runtime."""
        return autocast(self.device, self._dtype)

    def optimizer_options(self) -> dict[str, Any]:
        """See Runtime."""
        return {"fused": True}

    def end_step(self) -> None:
        """Nothing is left to start: kernels run as they are queued."""

    def scalars(self, values: Mapping[str, torch.Tensor]) -> dict[str, float]:
        """See Runtime."""
        if not values:
            return {}
        stacked = torch.stack([value.detach().float() for value in values.values()])
        return dict(zip(values, stacked.tolist(), strict=True))

    def to_host(self, state: State) -> State:
        """See Runtime."""
        return map_tensors(lambda tensor: tensor.detach().to("cpu", copy=True), state)

    def settle(self, state: Any) -> None:
        """Nothing to do: tensors do not share memory here."""

    def compiled_graphs(self) -> int:
        """Returns how many graphs torch.compile has captured in this process."""
        from torch._dynamo.utils import counters

        return counters["stats"]["unique_graphs"]

    def describe(self) -> str:
        """See Runtime."""
        dtype = str(self._dtype).removeprefix("torch.")
        memory_gib = torch.cuda.get_device_properties(self._device).total_memory / 2**30
        return (
            f"cuda: torch.compile, {dtype}, {torch.cuda.get_device_name(self._device)} "
            f"({memory_gib:.0f} GiB), torch {torch.__version__}"
        )
