"""What `describe` says, against the model itself."""

from __future__ import annotations

import copy
import json

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from mirasol import config
from mirasol.__main__ import main
from mirasol.batch import empty_batch
from mirasol.description import text
from mirasol.description.machines import MACHINES
from mirasol.description.report import Question, describe

TINY = ["runs/av_shapes.gin"]


@pytest.fixture(scope="module")
def spec():
    return config.load(TINY, ["Trainer.keep = 3"])


@pytest.fixture(scope="module")
def described(spec):
    return describe(spec, Question(devices=4, machine=MACHINES["v5p"], steps_per_second=0.5))


def parts(described, what):
    return {part["name"]: part[what] for part in described["parts"]}


def test_parameters_are_those_of_the_model(described, spec):
    model = spec.build().build_model()
    counted = {
        name: sum(parameter.numel() for parameter in child.parameters())
        for name, child in model.named_children()
    }
    assert parts(described, "parameters") == {**counted, "other": model.modality_2D.numel()}
    assert described["total"]["parameters"] == sum(p.numel() for p in model.parameters())


def test_operations_are_those_that_a_real_step_does(described, spec):
    experiment = spec.build()
    model, batch = experiment.build_model(), empty_batch(experiment.converter.shape, 1)
    # Without the fused kernel, which the counter does not know on the CPU.
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        loss = model(batch)["loss"]
        forward = counter.get_total_flops()
        loss.backward()
    total = described["total"]
    assert total["forward_flops"] == pytest.approx(forward, rel=0.02)
    both = total["forward_flops"] + total["backward_flops"]
    assert both == pytest.approx(counter.get_total_flops(), rel=0.02)


def test_each_part_has_its_own_operations(described):
    forward, backward = parts(described, "forward_flops"), parts(described, "backward_flops")
    assert forward.pop("other") == backward.pop("other") == 0
    for name, count in forward.items():
        # A product has two in the backward pass, but the first layer's input needs no gradient.
        assert count < backward[name] <= 2 * count, name


def test_a_part_alone_has_the_operations_that_are_told(described, spec):
    model = spec.build().build_model("meta")
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model.video_encoder(torch.empty(4, 8, 32, 32, 3, dtype=torch.uint8, device="meta"))
    assert parts(described, "forward_flops")["video_encoder"] == counter.get_total_flops()


def test_the_largest_stage_decides_the_memory(described):
    peaks = [stage["activation_bytes"] for stage in described["stages"]]
    assert [stage["examples"] for stage in described["stages"]] == [64, 16]
    assert described["memory"]["activations"] == max(peaks)
    assert described["total"]["activation_bytes"] == max(peaks)


def test_a_device_has_its_share(described):
    mesh, whole = described["mesh"], described["memory"]
    assert (mesh["devices"], mesh["examples"]) == (4, 4)
    for name in ("parameters", "gradients", "optimizer"):
        assert 1 <= mesh["bytes"][name] / (whole[name] / 4) < 1.02  # Some biases are whole.
    assert mesh["bytes"]["activations"] == pytest.approx(whole["activations"] / 4, rel=0.05)
    assert 0 < mesh["bytes"]["gathered"] < whole["parameters"]
    assert mesh["total_bytes"] == sum(mesh["bytes"].values())
    # All is gathered once or twice, and gradients are scattered once.
    assert 2 < mesh["sent_bytes"]["fsdp"] / (0.75 * whole["parameters"]) < 3
    assert mesh["sent_bytes"]["data"] == mesh["sent_bytes"]["tensor"] == 0
    ways = [described["total"][f"{way}_flops"] for way in ("forward", "backward")]
    assert mesh["operations"] == 4 * sum(ways)


def test_times_are_those_of_the_kind(described):
    mesh = described["mesh"]
    assert mesh["machine"]["arithmetic_s"] == mesh["operations"] / 459e12
    assert mesh["machine"]["messages_s"]["fsdp"] == mesh["sent_bytes"]["fsdp"] / 600e9
    assert "of 95.0 GB of a TPU v5p" in text.render(described)


def test_a_batch_that_cannot_be_shared_is_refused(spec):
    with pytest.raises(ValueError, match=r"batch of 16 examples .* multiple of 3 \(BATCH_SIZE\)"):
        describe(spec, Question(devices=3))


def test_the_time_is_that_of_all_steps(described):
    assert described["time"]["steps_left"] == 2100
    assert described["time"]["seconds"] == 4200


def node(described, name):
    (argument,) = [a for a in described["tree"]["arguments"] if a["name"] == name]
    return argument["parts"][0]


def argument(node, name):
    (found,) = [each for each in node["arguments"] if each["name"] == name]
    return found


def test_the_tree_tells_defaults_from_what_was_set(described):
    trainer = node(described, "trainer")
    assert trainer["part"] == "Trainer"
    keep = argument(trainer, "keep")
    assert (keep["value"], keep["state"], keep["default"]) == ("3", "changed", "2")
    assert argument(trainer, "clip_norm")["state"] == "required"
    assert argument(trainer, "steps")["macro"] == "TRAIN_STEPS"
    model = node(described, "model")
    assert argument(model, "detach_target")["state"] == "default"
    combiner = argument(model, "combiner")["parts"][0]
    assert argument(combiner, "earlier_chunks")["state"] == "changed"


def test_stages_stand_in_the_tree_by_their_scopes(described):
    stages = argument(node(described, "training"), "stages")["parts"]
    assert [stage["scope"] for stage in stages] == ["parts", "joint"]
    assert argument(stages[0], "batches")["value"] == "450"
    assert argument(stages[1], "batches")["state"] == "default"


def test_the_text_is_made_of_the_data(described):
    shown = text.render(described)
    assert "    trainer: Trainer\n" in shown
    assert "  *   keep = 3, not 2\n" in shown
    assert "One of 4 devices, 4 clips a step (data 1 x fsdp 4 x tensor 1)" in shown
    assert "2100 left: 1:10:00" in shown
    changed = copy.deepcopy(described)
    changed["total"]["parameters"] = 123_456_789
    changed["tokens"]["video"] += 1
    assert "123,456,789" in text.render(changed)
    assert "video 17 + audio 16 = 33" in text.render(changed)


@pytest.fixture
def workdir(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "config.gin").write_text(config.load(TINY).declared)
    lines = [
        {"step": step, "examples_per_s": rate}
        for step, rate in [(20, 1.0), (40, 64.0), (60, 64.0), (80, 64.0)]
    ]
    text = "\n".join(map(json.dumps, lines)) + '\n{"step": 100, "spl'
    (folder / "speed.jsonl").write_text(text)
    return folder


def test_a_run_tells_its_own_time_and_json_is_the_same_content(workdir, capsys):
    before = sorted(workdir.rglob("*"))
    assert main(["describe", f"--workdir={workdir}", "--format=json"]) == 0
    found = json.loads(capsys.readouterr().out)
    # 370 more steps of 64 single chunks, 1,650 of 16 clips.
    assert found["time"]["seconds"] == pytest.approx((370 * 64 + 1650 * 16) / 64)
    assert found["mesh"] is None
    assert main(["describe", f"--workdir={workdir}"]) == 0
    assert capsys.readouterr().out == text.render(found) + "\n"
    assert sorted(workdir.rglob("*")) == before
