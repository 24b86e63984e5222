"""One of two processes that save and restore together; run as a script by test_together.py.

    RANK=0 python together.py FOLDER

Both train one model, sharded by FSDP2 on gloo, with a CheckpointManager of FOLDER/checkpoints. One
thing after the other goes wrong in one of them. Each writes what it saw to FOLDER/<rank>.json.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from torch import distributed, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard

from mirasol.checkpoint.manager import CheckpointManager
from mirasol.checkpoint.state import training_state
from mirasol.checkpoint.writer import TensorStoreWriter

RANK = int(os.environ["RANK"])
ROWS = 700  # Enough for the tensor to lie in a file of the database, and not in its tree.


class Training:
    """A model and its optimizer after some steps, which depend on the seed."""

    def __init__(self, seed: int):
        torch.manual_seed(seed)
        mesh = init_device_mesh("cpu", (2,))
        self.model = fully_shard(nn.Linear(5, ROWS), mesh=mesh)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=0.1)

    def step(self) -> None:
        self.model(torch.ones(1, 5)).square().sum().backward()
        self.optimizer.step()
        self.optimizer.zero_grad()

    def state(self, step: int) -> dict:
        return {**training_state(self.model, self.optimizer), "step": step}

    def weight(self) -> torch.Tensor:
        return self.model.weight.full_tensor().detach().clone()


def error_of(action: Callable[[], object]) -> str:
    try:
        action()
    except ValueError as error:
        return f"{type(error).__name__}: {error}"
    return ""


def refuse(*_) -> None:
    raise OSError(28, "No space left on device", f"disk of rank {RANK}")


def damage(folder: Path, weight: torch.Tensor) -> None:
    """Changes a bit of the second process's half."""
    half = weight[ROWS // 2 :].numpy().tobytes()
    (path,) = [path for path in folder.rglob("d/*") if half in path.read_bytes()]
    content = bytearray(path.read_bytes())
    content[content.find(half) + 100] ^= 1
    path.write_bytes(content)


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    meeting = f"file://{folder.absolute()}/rendezvous"
    distributed.init_process_group("gloo", init_method=meeting, rank=RANK, world_size=2)
    manager = CheckpointManager(folder / "checkpoints", keep=2)
    training, weights, seen = Training(0), {}, {}

    for step in (1, 2, 3):
        training.step()
        weights[step] = training.weight()
        manager.save_async(step, training.state(step))
        for _ in range(20):  # The training talks while the threads save.
            distributed.all_reduce(torch.ones(1))
    manager.wait_until_finished()
    seen["steps"] = manager.steps()

    seen["there already"] = error_of(lambda: manager.save(3, training.state(3)))
    write = TensorStoreWriter._write
    if RANK == 1:
        TensorStoreWriter._write = refuse
    seen["refused"] = error_of(lambda: manager.save(4, training.state(4)))
    TensorStoreWriter._write = write
    before = refuse if RANK == 1 else lambda: None
    manager.save_async(4, training.state(4), first=before)
    seen["refused before"] = error_of(manager.wait_until_finished)
    distributed.barrier()
    seen["left"] = sorted(path.name for path in (folder / "checkpoints").iterdir())

    misfit = training.state(0) | ({"more": 1} if RANK == 1 else {})
    seen["misfit"] = error_of(lambda: manager.restore(misfit))
    distributed.barrier()
    if RANK == 0:
        damage(folder / "checkpoints" / "step_00000003", weights[3])
    distributed.barrier()
    seen["damaged"] = error_of(lambda: manager.restore(training.state(0), step=3))
    fresh, values = Training(1), {"step": 0}
    seen["other"] = torch.equal(fresh.weight(), weights[2])
    manager.restore_training(fresh.model, fresh.optimizer, values)
    seen["restored"] = [values["step"], torch.equal(fresh.weight(), weights[2])]
    fresh.step()
    seen["goes on alike"] = torch.equal(fresh.weight(), weights[3])

    manager.save(3, training.state(3))
    manager.close()
    seen["in the end"] = manager.steps()
    # By one of them alone, all of a tensor.
    alone = RANK == 1 and manager.read(3, ["model.weight"])["model.weight"]
    seen["read alone"] = RANK == 0 or torch.equal(alone, weights[3])
    (folder / f"{RANK}.json").write_text(json.dumps(seen))
    distributed.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
