"""Optimizers, guard and running mean on XLA and on parameters shared by two processes."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.training.elsewhere import BAD, RECIPES, STEPS

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
HAS_XLA = importlib.util.find_spec("torch_xla") is not None


def report(*arguments):
    environment = os.environ | {"XLA_FLAGS": "--xla_backend_optimization_level=0"}
    environment.pop("PJRT_DEVICE", None)
    done = subprocess.run(
        [sys.executable, "-m", "tests.training.elsewhere", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module", params=["xla", "fsdp"])
def told(request, tmp_path_factory):
    if request.param == "xla" and not HAS_XLA:
        pytest.skip("torch_xla is not installed (extra `xla`)")
    meeting = [str(tmp_path_factory.mktemp("group") / "file")] * (request.param == "fsdp")
    return report(request.param, *meeting)


@pytest.mark.parametrize("name", RECIPES)
def test_parameters_and_means_are_those_of_one_cpu(told, name):
    here, there = told["cpu"][name], told["there"][name]
    within = 1e-2 if name == "muon" else 1e-3  # Muon iterates in bfloat16.
    assert there["losses"] == pytest.approx(here["losses"], rel=within)
    assert there["sums"] == pytest.approx(here["sums"], rel=within)
    assert there["skipped"] == [float(step == BAD) for step in range(1, STEPS + 1)]


@pytest.mark.parametrize("name", RECIPES)
def test_no_step_after_the_fourth_compiles_anything(told, name):
    # Writing the weight of the mean, at step 3, is a graph by itself.
    graphs = told["there"][name]["graphs"]
    assert graphs[3:] == [graphs[3]] * (STEPS - 3)
