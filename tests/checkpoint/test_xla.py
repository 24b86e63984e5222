"""A run on XLA saves what it computed, and goes on from it as if unbroken; so does a CPU run."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import sys
import torch, torch_xla
import torch_xla.debug.metrics as metrics
from mirasol.checkpoint.manager import CheckpointManager
from mirasol.checkpoint.state import flatten, training_state

def build(seed, device):
    torch.manual_seed(seed)
    model = torch.nn.Linear(4, 3).to(device)
    rate = torch.tensor(0.01, device=device)
    on_xla = device.type == "xla"
    return model, torch.optim.AdamW(model.parameters(), lr=rate, capturable=on_xla)

def step(model, optimizer, number):
    x = torch.randn(5, 4, generator=torch.Generator().manual_seed(number))
    model(x.to(model.weight.device)).square().mean().backward()
    optimizer.step()
    optimizer.zero_grad()
    torch_xla.sync()

def contents(run):
    return {name: t.tolist() for name, t in flatten(training_state(*run)).tensors.items()}

def compilations():
    return (metrics.metric_data("CompileTime") or (0,))[0]

xla, manager = torch_xla.device(), CheckpointManager(sys.argv[1])
first, second, host = build(0, xla), build(1, xla), build(2, torch.device("cpu"))
step(*first, 0), step(*first, 1)
before = compilations()
manager.reserve(training_state(*first))
for earlier in (0, 1):
    manager.save_async(earlier, {**training_state(*first), "step": earlier})
manager.close()
manager.save(2, {**training_state(*first), "step": 2})
values = {"step": 0}
manager.restore_training(*second, values)
torch_xla.sync()
copied, saved = manager.read(1), manager.read(2)
assert all(torch.equal(copied[name], saved[name]) for name in saved if name != "step")
assert compilations() == before, "saving or restoring compiled a graph"
manager.restore_training(*host, values)
assert values == {"step": 2}
assert contents(first) == contents(second) == contents(host)
step(*first, 2), step(*second, 2)
assert contents(first) == contents(second)
print("sound")
"""


@pytest.mark.slow  # Unmarked is test_layouts.py, in which they lie on four devices.
@pytest.mark.skipif(importlib.util.find_spec("torch_xla") is None, reason="needs torch_xla")
def test_xla_tensors_are_saved_and_restored_through_the_host(tmp_path: Path):
    # A process of its own: torch_xla cannot share one with TensorFlow.
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path)],
        env=os.environ | {"PJRT_DEVICE": "CPU"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip().endswith("sound"), done.stderr
