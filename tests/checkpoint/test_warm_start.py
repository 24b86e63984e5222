"""A model that begins with another one's parameters: what becomes of them."""

from __future__ import annotations

import json

import pytest
import torch
from torch import nn

from mirasol import config
from mirasol.checkpoint.errors import CheckpointError
from mirasol.checkpoint.manager import CheckpointManager
from mirasol.checkpoint.reshaping import Interpolate, Overlap
from mirasol.checkpoint.state import model_state, training_state
from mirasol.checkpoint.warm_start import WarmStart
from tests.checkpoint.starting import Small, contents, filled, save, stopped
from tests.models.builders import build_model

DECODER = "text_decoder.*"


def test_all_of_a_model_is_loaded_bit_for_bit(tmp_path):
    trained, model = build_model(seed=1), build_model(seed=2)
    save(trained, tmp_path)
    told = filled(WarmStart(source=str(tmp_path)), model)
    want = contents(trained)
    assert all(torch.equal(tensor, want[name]) for name, tensor in contents(model).items())
    assert told["loaded"] == list(want)
    assert {len(told[kind]) for kind in ("renamed", "reshaped", "missing", "unused")} == {0}
    (folder,) = (tmp_path / "checkpoints").iterdir()
    checksum = json.loads((folder / "manifest.json").read_text())["checksum"]
    assert told["source"] == {"folder": str(folder), "step": 5, "checksum": checksum}


@pytest.mark.parametrize(
    "change",
    [
        ("CHUNKS = 7",),
        ("CHUNK_FRAMES = 16",),
        ("IMAGE_SIZE = 64",),
        ("CHUNK_BANDS = 64", "CHUNKS = 2", "IMAGE_SIZE = 48"),
    ],
)
def test_frames_chunks_and_resolution_may_change(change, tmp_path):
    run = "runs/av_shapes_tiny.gin"
    trained = config.load([run], ["SEED = 1"]).build().build_model()
    save(trained, tmp_path)
    model = config.load([run], change).build().build_model()
    told = filled(WarmStart(source=str(tmp_path)), model)
    assert told["loaded"] == list(contents(trained))
    want = contents(trained)
    assert all(torch.equal(tensor, want[name]) for name, tensor in contents(model).items())


def test_learned_positions_need_a_rule_that_knows_their_grid(tmp_path):
    run, learned = "runs/av_shapes_tiny.gin", "VideoEncoder.learned_positions = True"
    trained = config.load([run], ["SEED = 1", learned]).build().build_model()
    save(trained, tmp_path)
    model = config.load([run], ["IMAGE_SIZE = 64", learned]).build().build_model()
    name = "video_encoder.patches.positions_ND"
    said = stopped(WarmStart(source=str(tmp_path)), model)
    assert f"{name} would go from float32[16, 96] to float32[64, 96]: " in said
    rule = Interpolate(names=[name], grid=[1, 4, 4], new_grid=[1, 8, 8])
    told = filled(WarmStart(source=str(tmp_path), reshapes=[rule]), model)
    assert list(told["reshaped"]) == [name]
    old = trained.video_encoder.patches.positions_ND.unflatten(0, (4, 4))
    new = model.video_encoder.patches.positions_ND.unflatten(0, (8, 8))
    torch.testing.assert_close(new[0, 0], old[0, 0])  # At the rim the nearest one holds.
    torch.testing.assert_close(new.mean((0, 1)), old.mean((0, 1)))


def test_a_part_is_loaded_and_the_rest_is_as_the_seed_made_it(tmp_path):
    save(build_model(seed=1), tmp_path)
    model, untouched = build_model(seed=2), contents(build_model(seed=2))
    told = filled(WarmStart(source=str(tmp_path), names=[DECODER]), model)
    changed = {n for n, tensor in contents(model).items() if not torch.equal(tensor, untouched[n])}
    assert changed <= set(told["loaded"])
    assert all(name.startswith("text_decoder.") for name in told["loaded"])
    assert "text_decoder.embedding.weight" in changed
    assert set(told["left_out"]) == {n for n in untouched if not n.startswith("text_decoder.")}


def test_a_part_of_another_name_is_renamed(tmp_path):
    save(Small(1.0, head="classifier"), tmp_path)
    model = Small(0.0)
    said = stopped(WarmStart(source=str(tmp_path)), model)
    assert "lacks 2 parameters of the model: head.weight, head.bias" in said
    assert "has 2 parameters that the model has not: classifier.weight" in said
    told = filled(WarmStart(source=str(tmp_path), renames=[("classifier.*", "head.*")]), model)
    assert told["renamed"] == {
        "head.weight": "classifier.weight",
        "head.bias": "classifier.bias",
    }
    assert model.head.weight.tolist() == [[1.0, 1.0]]


def test_another_shape_stops_it_until_there_is_a_rule(tmp_path):
    trained = Small(0.0)
    with torch.no_grad():
        trained.tokens_MD.copy_(torch.tensor([[0.0, 0.0], [2.0, 4.0], [4.0, 8.0], [6.0, 12.0]]))
    save(trained, tmp_path)
    model = Small(9.0, tokens=2)
    said = stopped(WarmStart(source=str(tmp_path)), model)
    assert "tokens_MD would go from float32[4, 2] to float32[2, 2]" in said
    assert "WarmStart.reshapes has no rule" in said
    rules = [Interpolate(names=["tokens_*"])]
    told = filled(WarmStart(source=str(tmp_path), reshapes=rules), model)
    assert told["reshaped"] == {"tokens_MD": "float32[4, 2] to float32[2, 2] by Interpolate"}
    assert model.tokens_MD.tolist() == [[1.0, 2.0], [5.0, 10.0]]
    assert "tokens_MD" not in told["loaded"]


def test_a_rule_that_cannot_do_it_says_why(tmp_path):
    save(Small(1.0), tmp_path)
    model = Small(0.0)
    model.encoder = nn.Linear(5, 2)
    start = WarmStart(source=str(tmp_path), reshapes=[Interpolate(names=["encoder.*"])])
    assert "Interpolate changes all axes but the last" in stopped(start, model)
    grown = WarmStart(source=str(tmp_path), reshapes=[Overlap(names=["encoder.*"])])
    filled(grown, model)
    assert model.encoder.weight[:, :3].tolist() == [[1.0] * 3] * 2


def test_tied_weights_are_there_by_either_name(tmp_path):
    trained = build_model(seed=1)
    state = {"model": model_state(trained), "step": 1}
    del state["model"]["text_decoder.out.weight"]
    CheckpointManager(tmp_path).save(1, state)
    model = build_model(seed=2)
    told = filled(WarmStart(source=str(tmp_path)), model)
    assert told["missing"] == []
    assert torch.equal(model.text_decoder.out.weight, trained.text_decoder.embedding.weight)


def test_tied_weights_that_differ_in_the_source_stop_it(tmp_path):
    state = {"model": model_state(build_model(seed=1)), "step": 1}
    apart = state["model"]["text_decoder.out.weight"].detach() + 1.0
    CheckpointManager(tmp_path).save(
        1, {"model": {**state["model"], "text_decoder.out.weight": apart}, "step": 1}
    )
    model = build_model(seed=2)
    said = r"text_decoder\.\w+\.weight and text_decoder\.\w+\.weight are one tensor in the model"
    with pytest.raises(CheckpointError, match=said):
        WarmStart(source=str(tmp_path)).apply(model)
    start = WarmStart(
        source=str(tmp_path),
        renames=[("text_decoder.out.weight", "not_taken")],
        allow_unused=["not_taken"],
    )
    assert filled(start, model)["unused"] == ["not_taken"]
    want = build_model(seed=1).text_decoder.embedding.weight
    assert torch.equal(model.text_decoder.out.weight, want)


def test_the_optimizer_of_the_source_is_neither_loaded_nor_unused(tmp_path):
    trained = build_model(seed=1)
    optimizer = torch.optim.AdamW(trained.parameters())
    sum(parameter.sum() for parameter in trained.parameters()).backward()
    optimizer.step()
    state = {**training_state(trained, optimizer), "step": 1}
    CheckpointManager(tmp_path).save(1, state)
    told = filled(WarmStart(source=str(tmp_path)), build_model(seed=2))
    assert not [name for names in told.values() for name in names if "exp_avg" in name]
