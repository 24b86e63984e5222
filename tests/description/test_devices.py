"""The plan for one device of several, against countings of its own and real processes."""

from __future__ import annotations

import json
import math

import pytest
import torch
from torch import nn

from mirasol import config
from mirasol.description import text
from mirasol.description.machines import MACHINES, devices
from mirasol.description.messages import Lying, Passing, passing
from mirasol.description.report import Question, describe
from mirasol.models.transformer import Transformer
from mirasol.runtime.sharding import WHOLE
from tests import processes

TINY = ["runs/av_shapes.gin"]
SHARED = ["overlays/data_parallel.gin", "overlays/tensor.gin", "overlays/fsdp.gin"]
HEADS = [f"{part}HEADS = 4" for part in ("", "VIDEO_", "AUDIO_", "DECODER_")]
SHALLOW = [f"{part}LAYERS = 1" for part in ("VIDEO_", "AUDIO_", "DECODER_", "LATENT_")]
BINDINGS = [
    *HEADS,
    *SHALLOW,
    "BATCH_SIZE = 16",
    "FSDP_DEVICES = 2",
    "TENSOR_DEVICES = 2",
    "Trainer.microbatches = 2",
]


@pytest.fixture(scope="module")
def shared():
    return describe(
        config.load(["runs/av_shapes_tiny.gin", *SHARED], BINDINGS), Question(devices=8)
    )


def test_the_mesh_and_the_microbatches_count(shared):
    mesh, whole = shared["mesh"], shared["memory"]
    assert mesh["mesh"] == {"data": 2, "fsdp": 2, "tensor": 2}
    assert (mesh["examples"], mesh["microbatches"]) == (4, 2)
    assert whole["parameters"] / 4 < mesh["bytes"]["parameters"] < whole["parameters"] / 2
    assert mesh["bytes"]["batch"] == whole["batch"] / 4
    assert mesh["bytes"]["activations"] == pytest.approx(whole["activations"] / 4, rel=0.05)
    # Its pieces, in both microbatches, there and back over two copies.
    assert mesh["sent_bytes"]["data"] == 2 * mesh["bytes"]["gradients"]
    assert mesh["machine"] is None


def test_the_text_tells_the_mesh(shared):
    told = text.render(shared)
    assert "4 clips a step in 2 microbatches (data 2 x fsdp 2 x tensor 2)" in told
    assert "mesh: Mesh\n" in told  # In the tree, which has what is stated.
    assert "tensor = 2, not 1 (TENSOR_DEVICES)" in told
    assert " ms" not in told


class Stack(nn.Module):
    """Two layers and an embedding; 6 is what 4 devices cannot share."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Parameter(torch.zeros(6, 3))
        self.stack = Transformer(8, 2, 2)


def test_elements_are_counted_by_layer():
    model = Stack()
    layer = sum(p.numel() for p in model.stack.blocks[0].parameters())
    rest = 18 + 16
    lying = Lying(model, WHOLE, {"data": 1, "fsdp": 4, "tensor": 1})
    assert lying.gathers() == rest + 4 * layer
    assert lying.gathered() == lying.scattered() == rest + 2 * layer
    ruled = 2 * (8 + 32)  # Biases whose rule cuts them over tensor alone.
    assert lying.held() == 18 + ruled + (16 + 2 * layer - ruled) / 4
    query, out, first, second = 72, 64, 8 * 32 + 32, 32 * 8  # out and second: without biases.
    halved = (query + out + first + second) / 2
    lying = Lying(model, WHOLE, {"data": 1, "fsdp": 1, "tensor": 2})
    assert lying.held() == lying.scattered() == rest + 2 * (layer - halved)


@pytest.mark.slow
def test_layers_send_their_sums_twice_and_again_when_computed_again():
    def passed(computed_again: bool, tensor: int) -> Passing:
        bindings = [*HEADS, f"Mirasol.checkpoint = {computed_again}"]
        experiment = config.load(TINY, bindings).build()
        return passing(experiment.build_model("meta"), experiment.converter.shape, WHOLE, tensor)

    plain, again, alone = passed(False, 2), passed(True, 2), passed(False, 1)
    assert plain.gathered == again.gathered > 0
    assert plain.added_up < again.added_up < 1.5 * plain.added_up
    assert (alone.added_up, alone.gathered) == (0, 0)


def test_devices_are_counted_as_their_makers_do():
    assert devices("64") == (64, None)
    assert devices("v5p-64") == (32, MACHINES["v5p"])
    assert devices("H100-1024") == (1024, MACHINES["h100"])


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("0", "must be above 0"),
        ("many", "neither a whole number nor a kind"),
        ("v5-64", "did you mean"),
        ("v5p-63", "a multiple of 2"),
        ("h100-", "such as v5p-64 or h100-64"),
    ],
)
def test_other_devices_are_refused(given, said):
    with pytest.raises(ValueError, match=said):
        devices(given)


@pytest.mark.parametrize(
    ("stride", "size", "seconds"),
    [
        (1, 8, 9 / 450),  # One host.
        (1, 64, 9 / 8 / 50),  # Eight hosts, whose eight cards share what goes between them.
        (8, 8, 9 / 50),  # One device of each of eight hosts.
        (2, 4, 9 / 450),
        (1, 1, 0),
    ],
)
def test_seconds_are_those_of_the_slowest_wire(stride, size, seconds):
    assert MACHINES["h100"].seconds(9e9, stride, size) == pytest.approx(seconds)


@pytest.mark.slow
def test_real_processes_send_what_is_planned():
    told = processes.finish(processes.start(2, ["-m", "tests.description.sending"]))
    found = json.loads(told[0].splitlines()[-1])
    for axis, (planned, counted) in found.items():
        assert math.isclose(planned, counted, rel_tol=1e-3), axis
    assert set(found) == {"data", "fsdp", "tensor"}
