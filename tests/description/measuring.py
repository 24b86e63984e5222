"""A training step measured: what it allocates, and how large its process grows.

Run as a program, prints the growth of its own process in bytes:

    python measuring.py EXAMPLES GIN_FILE [GIN_FILE ...] [NAME=VALUE ...]
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import torch

from mirasol import config
from mirasol.batch import EOS_ID, empty_batch
from mirasol.experiment import Experiment


def step_of(experiment: Experiment, examples: int) -> Callable[[], None]:
    """Forward and backward of a real model whose gradients and optimizer state are there."""
    model = experiment.build_model().train()
    optimizer = experiment.trainer.optimizer.build(model, {"fused": True})
    batch = empty_batch(experiment.converter.shape, examples)
    batch.answer_BQR[..., -1] = EOS_ID
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)

    def step() -> None:
        model(batch)["loss"].backward()

    step.holds = optimizer
    return step


def allocated_peak(experiment: Experiment, examples: int, folder: Path) -> int:
    """Returns the highest sum of what torch's allocator gave out during a step, by its trace."""
    step = step_of(experiment, examples)
    step()
    with torch.profiler.profile(
        activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True
    ) as profile:
        step()
    path = folder / "trace.json"
    profile.export_chrome_trace(str(path))
    events = json.loads(path.read_text())["traceEvents"]
    taken = [event for event in events if event["name"] == "[memory]"]
    assert len(taken) > 100
    live = peak = 0
    for event in sorted(taken, key=lambda event: event["ts"]):
        live += event["args"]["Bytes"]
        peak = max(peak, live)
    return peak


def resident_growth(experiment: Experiment, examples: int) -> int:
    """Returns how far a step raises the resident size of this process, by Linux's own mark.

    A first step loads code and libraries. Memory must go back to the system when it is freed, or
    the second would find what the first has left: MALLOC_MMAP_THRESHOLD_ sees to that.
    """
    step = step_of(experiment, examples)
    step()
    Path("/proc/self/clear_refs").write_text("5")
    before = _status("VmRSS")
    step()
    return _status("VmHWM") - before


def _status(name: str) -> int:
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if name in line]
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    files = [word for word in sys.argv[2:] if "=" not in word]
    bindings = [word for word in sys.argv[2:] if "=" in word]
    print(resident_growth(config.load(files, bindings).build(), int(sys.argv[1])))
