"""CUDA devices, one a process, with torch.compile."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path

import torch

from mirasol.batch import Batch
from mirasol.launched import launch
from mirasol.runtime.base import Inputs, Model, Output, State, map_tensors
from mirasol.runtime.fully_sharded import layers
from mirasol.runtime.peaks import peak_flops
from mirasol.runtime.sharding import WHOLE, Sharding
from mirasol.runtime.signatures import checked
from mirasol.runtime.torch_runtime import TorchRuntime
from mirasol.runtime.tracing import torch_trace


class CudaRuntime(TorchRuntime):
    """Compiled steps on the CUDA device of this process; several talk by NCCL.

    One process compiles the step as a whole. In several each layer is compiled by itself, once for
    all that are alike, since what FSDP does between layers is not to be compiled.

    Raises:
      ValueError: no CUDA device, fewer than processes on this machine, or a torch without CUDA.
    """

    def __init__(self, precision: str = "float32", sharding: Sharding = WHOLE):
        if not torch.cuda.is_available():
            raise ValueError(
                "runtime 'cuda' is not available: torch "
                f"{torch.__version__} (built for CUDA {torch.version.cuda}) sees no CUDA device; "
                "use --runtime=cpu, or install a driver and a torch built for CUDA"
            )
        self._several = launch().several
        super().__init__(_own_device(), precision, sharding)
        self._copies = torch.cuda.Stream()

    @property
    def name(self) -> str:
        """See Runtime."""
        return "cuda"

    def place(self, model: Model) -> Model:
        """See TorchRuntime. The layers' `forward` is compiled, within the hooks that FSDP adds."""
        if self._several:
            for layer in layers(model):
                layer.forward = torch.compile(layer.forward, dynamic=False)
        return super().place(model)

    def transfer(self, batch: Batch) -> Batch:
        """Returns the batch on the device; the copy goes on beside the step before."""
        with torch.cuda.stream(self._copies):
            moved = batch.pin_memory().to(self._device, non_blocking=True)
        here = torch.cuda.current_stream()
        here.wait_stream(self._copies)
        for field in dataclasses.fields(moved):
            getattr(moved, field.name).record_stream(here)
        return moved

    def compile(
        self, function: Callable[Inputs, Output], shapes: int = 1
    ) -> Callable[Inputs, Output]:
        """Returns the function under torch.compile; in several processes as it is, see `place`.

        Not as one graph: a step that calls `backward()` breaks there, into the forward with its
        backward, and the optimizer.
        """
        if self._several:
            return function
        return checked(torch.compile(function, dynamic=False), shapes)

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

    def compiled_graphs(self) -> int:
        """Returns how many graphs torch.compile has captured in this process."""
        from torch._dynamo.utils import counters

        return counters["stats"]["unique_graphs"]

    def trace(self, folder: Path) -> AbstractContextManager[None]:
        """See Runtime."""
        return torch_trace(folder, ["CPU", "CUDA"])

    def peak_memory(self) -> int:
        """Returns the most that torch's allocator gave out."""
        return torch.cuda.max_memory_allocated(self._device)

    def peak_flops(self) -> float | None:
        """Returns that of bfloat16; float32 has its own, which is not in the table."""
        known = self._dtype == torch.bfloat16
        return peak_flops(torch.cuda.get_device_name(self._device)) if known else None

    def describe(self) -> str:
        """See Runtime."""
        memory_gib = torch.cuda.get_device_properties(self._device).total_memory / 2**30
        device = f"{torch.cuda.get_device_name(self._device)} ({memory_gib:.0f} GiB)"
        return self._told("torch.compile", device)


def _own_device() -> torch.device:
    """Returns the device of this process, which becomes its current one."""
    here, count = launch(), torch.cuda.device_count()
    if here.local_world > count:
        raise ValueError(
            f"{here.local_world} processes on this machine (--nproc_per_node), and it has {count} "
            "CUDA devices; start one process a device"
        )
    if here.several:
        torch.cuda.set_device(here.local_rank)
    return torch.device("cuda", torch.cuda.current_device())
