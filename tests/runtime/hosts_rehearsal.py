"""One of two hosts under XLA that train and save together; run by test_hosts.py.

    python -m tests.runtime.hosts_rehearsal FOLDER

In the environment of `tests.hosts.variables`. Each writes what it saw to FOLDER/<index>.json.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import torch
from torch import nn

from mirasol.checkpoint.manager import CheckpointManager
from mirasol.checkpoint.state import flatten, training_state
from mirasol.checkpoint.tied import same_bits
from mirasol.checkpoint.writer import TensorStoreWriter
from mirasol.launched import launch
from mirasol.runtime.base import Runtime
from mirasol.runtime.select import open_runtime
from mirasol.training.stopping import Stop, Stopped, on_signals
from tests.hosts import pretend

LAST = 50
SIGNAL_AT = 3


class Training:
    """A model and its optimizer after some steps, which depend on the seed."""

    def __init__(self, runtime: Runtime, seed: int):
        torch.manual_seed(seed)
        self.runtime = runtime
        self.model = runtime.place(nn.Sequential(nn.Linear(5, 70), nn.Linear(70, 30)))
        options = {"lr": 0.1, **runtime.optimizer_options()}
        self.optimizer = torch.optim.AdamW(self.model.parameters(), **options)
        self.inputs = torch.ones(2, 5, device=runtime.device)

    def step(self) -> None:
        self.model(self.inputs).square().sum().backward()
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.runtime.end_step()

    def state(self, step: int) -> dict[str, Any]:
        return {**training_state(self.model, self.optimizer), "step": step}

    def on_host(self) -> dict[str, torch.Tensor]:
        return self.runtime.fetch(flatten(self.state(0)).tensors)


def note_what_is_written() -> dict[str, int]:
    """Returns a dict that gets the bytes of each array that this process writes."""
    written: dict[str, int] = {}
    write = TensorStoreWriter._write

    def noted(writer, plan, planner):
        results = write(writer, plan, planner)
        written.update({each.index.fqn: each.size_in_bytes for each in results})
        return results

    TensorStoreWriter._write = noted
    return written


def stopped_at(training: Training, stop: Stop, index: int) -> int:
    """Trains until all know that one of them got a signal; returns the steps made."""
    for step in range(LAST):
        if (index, step) == (1, SIGNAL_AT):
            os.kill(os.getpid(), signal.SIGTERM)
        try:
            stop.check()
        except Stopped:
            return step
        training.step()
    return LAST


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    index = pretend()
    runtime = open_runtime("xla")
    here = launch()
    seen: dict[str, Any] = {
        "launch": [here.rank, here.world, here.local_world],
        "leads": runtime.leads,
        "described": runtime.describe(),
        "decided": runtime.decided(lambda: f"by {index}"),
        "gathered": runtime.gathered(index),
        "opened again": open_runtime("xla").gathered(index),
    }
    manager = CheckpointManager(folder / "checkpoints", keep=2, fetch=runtime.fetch)
    training = Training(runtime, 0)
    for step in (1, 2, 3):
        training.step()
        manager.save_async(step, training.state(step))
    manager.wait_until_finished()
    training.step()
    seen["written"] = note_what_is_written()
    manager.save(4, training.state(4))
    seen["steps"] = manager.steps()

    saved = training.on_host()
    other, values = Training(runtime, 1), {"step": 0}
    manager.restore_training(other.model, other.optimizer, values)
    runtime.settle(other.optimizer.state_dict())
    restored = other.on_host()
    seen["restored"] = values["step"]
    seen["same bits"] = saved.keys() == restored.keys() and all(
        same_bits(saved[name], restored[name]) for name in saved
    )
    other.step()
    training.step()
    seen["goes on alike"] = torch.equal(other.model[0].weight, training.model[0].weight)
    read = manager.read(4)
    seen["read"] = all(same_bits(read[name], tensor) for name, tensor in saved.items())
    with on_signals() as stop, stop.together(runtime.agreed), stop.finishing():
        seen["stopped at"] = stopped_at(training, stop, index)
    manager.close()
    (folder / f"{index}.json").write_text(json.dumps(seen))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
