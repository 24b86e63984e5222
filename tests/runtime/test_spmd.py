"""XLA on four virtual devices: the losses of one, a quarter of the memory, and the same graph."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import agreement
import pytest
import torch

from mirasol.runtime.xla_devices import require_one_host, share_of_rows, with_rows_of_others
from tests.runtime.spmd_rehearsal import SMALL, STEPS

ROOT = Path(__file__).parents[2]
HAS_XLA = importlib.util.find_spec("torch_xla") is not None
FOUR = {"data": 1, "fsdp": 4, "tensor": 1}


def rehearsed(argument: str) -> dict:
    """Returns what tests/runtime/spmd_rehearsal.py prints."""
    if not HAS_XLA:
        pytest.skip("torch_xla is not installed (extra `xla`)")
    environment = {
        **os.environ,
        **agreement.PLACES["xla 4"].environment,
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tools")]),
    }
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "tests.runtime.spmd_rehearsal", argument],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> dict:
    return rehearsed(str(tmp_path_factory.mktemp("spmd")))


@pytest.fixture(scope="module")
def on_cpu() -> list[float]:
    return agreement.losses(agreement.Way("cpu"), STEPS, SMALL)["losses"]


def test_losses_are_those_of_the_cpu(report: dict, on_cpu: list[float]) -> None:
    assert report["losses"] == pytest.approx(on_cpu, rel=1e-4)
    assert on_cpu[0] != pytest.approx(on_cpu[-1], rel=1e-3)


@pytest.mark.slow
def test_so_are_those_of_shared_layers_in_microbatches(on_cpu: list[float]) -> None:
    assert rehearsed("tensor")["losses"] == pytest.approx(on_cpu[:2], rel=1e-4)


@pytest.mark.parametrize("when", ["before", "after", "restored"])
@pytest.mark.parametrize("part", ["model", "optimizer"])
def test_a_device_holds_its_share_alone(report: dict, when: str, part: str) -> None:
    held = report[when][part]
    assert held["devices"] == 4
    assert held["share"] <= 1.1 / 4


def test_state_in_pieces_goes_through_a_checkpoint_and_back(report: dict) -> None:
    assert report["resumed"] == report["unbroken"]


def test_no_graph_is_compiled_after_the_first_step(report: dict) -> None:
    graphs = report["graphs"]
    assert graphs == graphs[:1] * STEPS
    assert report["graphs_after_going_on"] == report["graphs_before_going_on"]


def test_each_device_gets_clips_of_its_own(report: dict) -> None:
    assert report["clips_of_a_device"] == [2, 2, 2, 2]
    assert report["sent"]


def test_a_batch_of_another_shape_stops_the_run_and_is_told(report: dict) -> None:
    said = "video_BTFHWC is uint8 [4, 4, 8, 32, 32, 3] and was uint8 [8, 4, 8, 32, 32, 3]"
    assert said in report["planted"]


def test_the_mesh_is_told(report: dict) -> None:
    assert report["describe"].startswith("xla: CPU, data 1 x fsdp 4 x tensor 1, float32")


@pytest.mark.parametrize(
    ("own", "sizes", "share"),
    [
        ([0, 1, 2, 3], FOUR, (0, 1)),
        ([4, 5, 6, 7], {"data": 1, "fsdp": 8, "tensor": 1}, (1, 2)),
        ([2, 3], {"data": 1, "fsdp": 2, "tensor": 2}, (1, 2)),
        # Two processes share the layers, so both read the same clips.
        ([0, 1], {"data": 1, "fsdp": 2, "tensor": 4}, (0, 2)),
        ([6, 7], {"data": 1, "fsdp": 2, "tensor": 4}, (1, 2)),
    ],
)
def test_a_process_reads_the_clips_that_its_devices_hold(own, sizes, share):
    assert share_of_rows(own, sizes) == share


@pytest.mark.parametrize("own", [[0, 2], [1, 2], [0, 1, 2]])
def test_devices_that_hold_no_equal_part_are_refused(own):
    with pytest.raises(ValueError, match=r"an equal run of neighbours: make Mesh\.tensor"):
        share_of_rows(own, FOUR)


def test_rows_of_a_process_stand_where_they_do_in_the_whole_batch():
    own = torch.arange(6).reshape(2, 3)
    everyone = with_rows_of_others(own, (1, 3))
    assert everyone.shape == (6, 3)
    assert torch.equal(everyone[2:4], own)
    assert with_rows_of_others(own, (0, 1)) is own


def test_several_hosts_are_refused_before_anything_is_computed():
    require_one_host(1)
    with pytest.raises(ValueError, match=r"here are 4 hosts: .* could save only the pieces"):
        require_one_host(4)
