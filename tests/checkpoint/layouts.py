"""One layout of processes and devices; run as a script by test_layouts.py.

    python layouts.py cpu FOLDER        one process
    python layouts.py fsdp FOLDER       one of two processes, FSDP2 on gloo; RANK says which
    python layouts.py spmd FOLDER       one process, XLA's SPMD over four devices

Each saves a state of its own as FOLDER/<layout>, waits for the others' checkpoints, restores each
of them into a state with other numbers, and writes what it saw to FOLDER/<layout>.json. No
dimension is a multiple of four, and some are smaller.
"""

from __future__ import annotations

import abc
import hashlib
import json
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import distributed, nn
from torch.distributed import checkpoint as dcp

from mirasol.checkpoint.reader import TensorStoreReader
from mirasol.checkpoint.state import flatten, training_state
from mirasol.checkpoint.writer import TensorStoreWriter

NAMES = ("cpu", "fsdp", "spmd")
LIMIT_S = 120.0
SHARDED = "model.0.weight"


class Layout(abc.ABC):
    """How a state lies on processes and devices."""

    leader = True  # Whether this process writes for all.

    @abc.abstractmethod
    def place(self, model: nn.Module) -> nn.Module:
        """Puts a model that has not been trained yet where it belongs."""

    def train(self, model: nn.Module, optimizer: torch.optim.Optimizer, steps: int) -> None:
        """Takes a step, and counts it as so many."""
        model(torch.randn(2, 5)).square().sum().backward()
        optimizer.step()
        for state in optimizer.state.values():
            state["step"].fill_(steps)

    @abc.abstractmethod
    def whole(self, tensor: torch.Tensor) -> torch.Tensor:
        """Returns all of a tensor on the host."""

    @abc.abstractmethod
    def pieces(self, tensor: torch.Tensor) -> int:
        """Returns in how many pieces a tensor lies."""

    def save(self, tensors: Mapping[str, torch.Tensor], folder: Path) -> None:
        dcp.save(dict(tensors), storage_writer=TensorStoreWriter(folder, {"step": 1}))

    def load(self, tensors: Mapping[str, torch.Tensor], folder: Path) -> None:
        with torch.no_grad():
            dcp.load(dict(tensors), storage_reader=TensorStoreReader(folder))


class Cpu(Layout):
    def place(self, model: nn.Module) -> nn.Module:
        return model

    def whole(self, tensor: torch.Tensor) -> torch.Tensor:
        return tensor

    def pieces(self, tensor: torch.Tensor) -> int:
        return 1


class Fsdp(Layout):
    def __init__(self, folder: Path):
        rank = int(os.environ["RANK"])
        self.leader = rank == 0
        meeting = f"file://{folder.absolute()}/rendezvous"
        distributed.init_process_group("gloo", init_method=meeting, rank=rank, world_size=2)

    def place(self, model: nn.Module) -> nn.Module:
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import fully_shard

        return fully_shard(model, mesh=init_device_mesh("cpu", (2,)))

    def whole(self, tensor: torch.Tensor) -> torch.Tensor:
        from torch.distributed.tensor import DTensor

        return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor

    def pieces(self, tensor: torch.Tensor) -> int:
        return -(-tensor.shape[0] // tensor.to_local().shape[0])


class Spmd(Layout):
    def __init__(self, folder: Path):
        import numpy as np

        # To mark a sharding, torch_xla imports them where they are, and by them TensorFlow: 10 s.
        sys.modules |= dict.fromkeys(("jax", "torchax"))
        import torch_xla.distributed.spmd as xs
        import torch_xla.runtime as xr

        xr.use_spmd()
        # What DCP gathers, it gathers by a process group, even of one.
        meeting = f"file://{folder.absolute()}/rendezvous_of_one"
        distributed.init_process_group("gloo", init_method=meeting, rank=0, world_size=1)
        self._spmd = xs
        self._mesh = xs.Mesh(np.arange(4), (4,), ("rows",))

    def place(self, model: nn.Module) -> nn.Module:
        import torch_xla

        return model.to(torch_xla.device())

    def train(self, model: nn.Module, optimizer: torch.optim.Optimizer, steps: int) -> None:
        """Fills the optimizer's state, which takes no seconds of compiling, and shards it all."""
        import torch_xla

        for parameter in model.parameters():
            state = {name: torch.rand(parameter.shape) for name in ("exp_avg", "exp_avg_sq")}
            state["step"] = torch.tensor(float(steps))
            optimizer.state[parameter] = {
                name: tensor.to(parameter.device) for name, tensor in state.items()
            }
        torch_xla.sync(wait=True)
        for tensor in flatten(training_state(model, optimizer)).tensors.values():
            if tensor.ndim:
                rest = (None,) * (tensor.ndim - 1)
                self._spmd.mark_sharding(tensor, self._mesh, ("rows", *rest))

    def whole(self, tensor: torch.Tensor) -> torch.Tensor:
        return tensor.cpu()

    def pieces(self, tensor: torch.Tensor) -> int:
        return len(
            {str(shard.indices) for shard in self._spmd.wrap_if_sharded(tensor).local_shards}
        )

    def save(self, tensors: Mapping[str, torch.Tensor], folder: Path) -> None:
        from torch_xla.experimental.distributed_checkpoint import SPMDSavePlanner

        writer = TensorStoreWriter(folder, {"step": 1})
        dcp.save(dict(tensors), storage_writer=writer, planner=SPMDSavePlanner())

    def load(self, tensors: Mapping[str, torch.Tensor], folder: Path) -> None:
        from torch_xla.experimental.distributed_checkpoint import SPMDLoadPlanner

        reader = TensorStoreReader(folder)
        with torch.no_grad():
            dcp.load(dict(tensors), storage_reader=reader, planner=SPMDLoadPlanner())


def trained(layout: Layout, seed: int) -> dict[str, torch.Tensor]:
    """Returns model and optimizer after training, by name; other numbers for each seed."""
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(5, 7), nn.LayerNorm(7), nn.Linear(7, 3, bias=False))
    for parameter in model.parameters():
        nn.init.normal_(parameter)  # Norms would all be ones.
    model.register_buffer("running_D", torch.randn(3).to(torch.bfloat16))
    model = layout.place(model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    layout.train(model, optimizer, steps=seed + 1)
    return flatten(training_state(model, optimizer)).tensors


def digests(layout: Layout, tensors: Mapping[str, torch.Tensor]) -> dict[str, str]:
    """Returns name -> dtype, shape and checksum of the bits of each whole tensor."""
    found = {}
    for name, tensor in tensors.items():
        whole = layout.whole(tensor).detach().contiguous()
        bits = whole.flatten().view(torch.uint8).numpy().tobytes()
        found[name] = f"{whole.dtype} {list(whole.shape)} {hashlib.sha256(bits).hexdigest()}"
    return found


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not path.exists():
        assert time.monotonic() < deadline, f"no {path.name} within {LIMIT_S:.0f} s"
        time.sleep(0.05)


def main(name: str, folder: Path) -> None:
    torch.set_num_threads(1)
    layout = {"cpu": lambda _: Cpu(), "fsdp": Fsdp, "spmd": Spmd}[name](folder)
    own = trained(layout, seed=NAMES.index(name))
    seen = {"pieces": layout.pieces(own[SHARDED]), "saved": digests(layout, own), "restored": {}}
    layout.save(own, folder / name)
    for source in NAMES:
        wait_for(folder / source)  # Complete, or not there.
        target = trained(layout, seed=10)
        seen["fresh"] = digests(layout, target)
        layout.load(target, folder / source)
        seen["restored"][source] = digests(layout, target)
        seen["pieces_after"] = layout.pieces(target[SHARDED])
    if layout.leader:
        (folder / f"{name}.json").write_text(json.dumps(seen))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
