"""XLA on the CPU, the rehearsal of a TPU: the same losses, one graph, seeded, resumable."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from torch import nn

from mirasol.runtime import xla

ROOT = Path(__file__).parents[2]
HAS_XLA = importlib.util.find_spec("torch_xla") is not None


@pytest.fixture(scope="module")
def report() -> dict:
    """What tests/runtime/rehearsal.py prints; it must print nothing on standard error."""
    if not HAS_XLA:
        pytest.skip("torch_xla is not installed (extra `xla`)")
    # Unoptimised code: the graphs here compile in half the time.
    environment = os.environ | {"XLA_FLAGS": "--xla_backend_optimization_level=0"}
    environment.pop("PJRT_DEVICE", None)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "tests.runtime.rehearsal"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return json.loads(done.stdout)


def test_losses_and_gradient_norms_are_those_of_the_cpu(report: dict) -> None:
    assert len(report["xla"]) == len(report["cpu"]) == 20
    for on_xla, on_cpu in zip(report["xla"], report["cpu"], strict=True):
        assert on_xla == pytest.approx(on_cpu, rel=1e-4)
    assert report["cpu"][-1]["loss"] != pytest.approx(report["cpu"][0]["loss"], rel=1e-2)


def test_a_changing_learning_rate_compiles_nothing_after_the_second_step(report: dict) -> None:
    # The rates pass through 0.01, AdamW's weight decay: equal numbers must stay apart.
    assert report["graphs"][0] > 0
    assert report["graphs"][2:] == report["graphs"][1:2] * 18


def test_state_goes_through_the_host_and_back(report: dict) -> None:
    for resumed, unbroken in zip(report["resumed"]["values"], report["xla"], strict=True):
        assert resumed == pytest.approx(unbroken, rel=1e-6)


def test_going_on_from_restored_state_compiles_nothing(report: dict) -> None:
    assert report["resumed"]["new_graphs"] == 0


def test_dropout_is_a_function_of_the_seed(report: dict) -> None:
    dropout = report["dropout"]
    assert dropout["first"] == dropout["again"]
    assert dropout["first"] != dropout["other"]
    assert set(dropout["first"]) == {0.0, 2.0}
    assert dropout["new_graphs"] == 0


def test_tied_weights_stay_tied_on_the_device(report: dict) -> None:
    assert report["tied"]


def test_shared_parameters_are_found_in_all_their_places() -> None:
    model = nn.ModuleDict({"a": nn.Linear(2, 2), "b": nn.Linear(2, 2), "c": nn.Linear(2, 2)})
    model["c"].weight = model["a"].weight
    assert xla._owners_of_shared_parameters(model) == [
        [(model["a"], "weight"), (model["c"], "weight")]
    ]


def test_autocast_multiplies_in_bfloat16(report: dict) -> None:
    assert report["bfloat16"] == "torch.bfloat16"


def test_it_opens_late_and_on_the_cpu(report: dict) -> None:
    assert report["lazy"]
    assert report["name"] == "xla"
    assert report["describe"].startswith("xla: CPU, 1 device, float32, torch 2.9")
