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

from mirasol.runtime.xla_devices import in_order_of_hosts, share_of_rows, with_rows_of_others
from mirasol.runtime.xla_pieces import all_are_here, cut_evenly, in_groups
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


def test_pieces_that_other_hosts_hold_are_gathered_bit_by_bit(report: dict) -> None:
    gathered = report["gathered"]
    assert gathered["alike"]
    assert gathered["still as it was"]
    assert gathered["devices"] == [4] * len(gathered["devices"])


def test_gathering_compiles_a_program_for_each_shape_and_layout_once(report: dict) -> None:
    gathered = report["gathered"]
    assert 0 < gathered["graphs"] <= gathered["kinds"] < gathered["tensors"]
    assert gathered["graphs of a second time"] == 0


def test_devices_of_a_host_are_neighbours_in_the_mesh_whatever_their_numbers(report: dict) -> None:
    assert in_order_of_hosts([[5, 0, 1, 4], [2, 3, 6, 7]]) == [0, 1, 4, 5, 2, 3, 6, 7]
    assert report["in order of hosts"] == {"first rows": [0, 4, 2, 6], "alike": True}


ROWS_OF_FOUR = [(0, [slice(row, row + 1), slice(0, 6)]) for row in range(4)]


@pytest.mark.parametrize(
    ("places", "here"),
    [
        (ROWS_OF_FOUR, True),
        (ROWS_OF_FOUR[:2], False),
        # A copy of the model on each host.
        ([(0, [slice(0, 2), slice(0, 6)]), (0, [slice(2, 4), slice(0, 6)])], True),
        ([(0, [slice(0, 2), slice(0, 6)]), (1, [slice(0, 2), slice(0, 6)])], False),
    ],
)
def test_it_is_known_whether_a_host_has_all_pieces(places, here):
    assert all_are_here((4, 6), places) is here


@pytest.mark.parametrize(
    ("shape", "spec", "even"),
    [
        ((8, 6), "{devices=[4,1]0,1,2,3}", True),
        ((8, 6), "{devices=[2,1,2]0,1,2,3 last_tile_dim_replicate}", True),
        ((8, 6), "{devices=[2,3]0,1,2,3,4,5}", True),
        ((1, 6), "{devices=[4,1]0,1,2,3}", False),
        ((8, 6), "{devices=[2,4]0,1,2,3,4,5,6,7}", False),
        ((8, 6), "{manual}", False),
    ],
)
def test_it_is_known_on_every_host_whether_pieces_are_alike(shape, spec, even):
    assert cut_evenly(shape, spec) is even


def test_tensors_are_gathered_so_many_bytes_at_a_time():
    tensors = [torch.empty(size, dtype=torch.uint8) for size in (3, 3, 9, 1, 1)]
    groups = [[tensor.nbytes for tensor in group] for group in in_groups(tensors, 6)]
    assert groups == [[3, 3], [9], [1, 1]]
    assert not list(in_groups([], 6))
