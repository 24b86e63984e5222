"""Saved by one layout of processes and devices, restored by another: every bit is the same.

cpu     one process
fsdp    two processes, FSDP2 on gloo
spmd    one process, four devices, XLA's SPMD on the CPU
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.checkpoint.layouts import LIMIT_S, NAMES, SHARDED

SCRIPT = Path(__file__).with_name("layouts.py")
XLA = {
    "PJRT_DEVICE": "CPU",
    "CPU_NUM_DEVICES": "4",
    "XLA_FLAGS": "--xla_backend_optimization_level=0",
}
PROCESSES = {"cpu": [{}], "fsdp": [{"RANK": "0"}, {"RANK": "1"}], "spmd": [XLA]}
PIECES = {"cpu": 1, "fsdp": 2, "spmd": 4}

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("torch_xla") is None, reason="needs torch_xla"
)


@pytest.fixture(scope="module")
def seen(tmp_path_factory) -> dict[str, dict]:
    """What each layout saw. All work at once, and restore what the others saved."""
    folder = tmp_path_factory.mktemp("layouts")
    running = [
        subprocess.Popen(
            [sys.executable, str(SCRIPT), name, str(folder)],
            env=os.environ | more,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name, each in PROCESSES.items()
        for more in each
    ]
    told = [process.communicate(timeout=3 * LIMIT_S)[1] for process in running]
    for process, stderr in zip(running, told, strict=True):
        assert process.returncode == 0, stderr
    return {name: json.loads((folder / f"{name}.json").read_text()) for name in NAMES}


@pytest.mark.parametrize("restored", NAMES)
@pytest.mark.parametrize("saved", NAMES)
def test_every_bit_is_the_same(seen, saved, restored):
    wanted, found = seen[saved]["saved"], seen[restored]["restored"][saved]
    assert found == wanted
    assert {f"optimizer.0.weight.{name}" for name in ("step", "exp_avg", "exp_avg_sq")} < set(found)
    assert found["model.running_D"].startswith("torch.bfloat16 [3] ")


@pytest.mark.parametrize("name", NAMES)
def test_the_layouts_are_what_they_are_called(seen, name):
    assert seen[name]["pieces"] == seen[name]["pieces_after"] == PIECES[name]
    # What was restored is nowhere what was there before.
    others = [seen[other]["saved"] for other in NAMES]
    for tensor, digest in seen[name]["fresh"].items():
        assert all(digest != other[tensor] for other in others), tensor
    assert SHARDED in seen[name]["saved"]
