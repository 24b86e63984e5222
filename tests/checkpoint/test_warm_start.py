"""A model that begins with another one's parameters: what is loaded, and what stops it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from mirasol import config
from mirasol.checkpoint.errors import CheckpointError
from mirasol.checkpoint.manager import CheckpointManager
from mirasol.checkpoint.reshaping import Interpolate, Overlap
from mirasol.checkpoint.state import model_state, training_state
from mirasol.checkpoint.warm_start import WarmStart
from tests.models.builders import build_model, with_combiner

DECODER = "text_decoder.*"


class Small(nn.Module):
    """An encoder, a head, learned tokens."""

    def __init__(self, fill: float, tokens: int = 4, head: str = "head"):
        super().__init__()
        self.encoder = nn.Linear(3, 2)
        self.tokens_MD = nn.Parameter(torch.empty(tokens, 2))
        self.add_module(head, nn.Linear(2, 1))
        for parameter in self.parameters():
            nn.init.constant_(parameter, fill)


def save(model: nn.Module, folder: Path, step: int = 5) -> None:
    optimizer = torch.optim.AdamW(model.parameters())
    model_and_optimizer = training_state(model, optimizer)
    CheckpointManager(folder / "checkpoints").save(step, {**model_and_optimizer, "step": step})


def contents(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().clone() for name, tensor in model_state(model).items()}


def stopped(start: WarmStart, model: nn.Module) -> str:
    """Returns what a warm start says that does not fit; nothing may have changed."""
    before = contents(model)
    told = start.misfits(model)
    with pytest.raises(CheckpointError) as caught:
        start.apply(model)
    assert all(torch.equal(tensor, before[name]) for name, tensor in contents(model).items())
    assert told
    assert str(caught.value).endswith("\n".join(told))
    with torch.device("meta"):
        assert start.misfits(model) == told
    return "\n".join(told)


def filled(start: WarmStart, model: nn.Module) -> dict:
    assert start.misfits(model) == []
    report = start.apply(model)
    return json.loads(json.dumps(report.told()))


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


def test_what_is_missing_or_unused_stops_it_until_it_is_allowed(tmp_path):
    save(with_combiner("transformer"), tmp_path)
    model = with_combiner("perceiver")
    start = WarmStart(source=str(tmp_path))
    said = stopped(start, model)
    assert "WarmStart.allow_missing" in said
    assert "WarmStart.allow_unused" in said
    only_missing = WarmStart(source=str(tmp_path), allow_missing=["combiner.*"])
    assert "allow_missing" not in stopped(only_missing, model)
    both = WarmStart(
        source=str(tmp_path), allow_missing=["combiner.*"], allow_unused=["combiner.*"]
    )
    told = filled(both, model)
    assert told["missing"]
    assert told["unused"]
    assert all(name.startswith("combiner.") for name in told["missing"] + told["unused"])
    want = contents(with_combiner("transformer"))
    shared = [name for name in told["loaded"] if name.startswith("latent_model.")]
    assert shared
    assert all(torch.equal(contents(model)[name], want[name]) for name in told["loaded"])


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


def test_another_dtype_stops_it_until_it_is_allowed(tmp_path):
    save(Small(0.1).to(torch.bfloat16), tmp_path)
    model = Small(0.0)
    said = stopped(WarmStart(source=str(tmp_path)), model)
    assert "encoder.weight from bfloat16 to float32" in said
    told = filled(WarmStart(source=str(tmp_path), allow_cast=["*"]), model)
    assert set(told["cast"].values()) == {"bfloat16 to float32"}
    assert model.head.bias.item() == torch.tensor(0.1, dtype=torch.bfloat16).item()


def test_tied_weights_are_there_by_either_name(tmp_path):
    trained = build_model(seed=1)
    state = {"model": model_state(trained), "step": 1}
    del state["model"]["text_decoder.out.weight"]
    CheckpointManager(tmp_path).save(1, state)
    model = build_model(seed=2)
    told = filled(WarmStart(source=str(tmp_path)), model)
    assert told["missing"] == []
    assert torch.equal(model.text_decoder.out.weight, trained.text_decoder.embedding.weight)


def test_patterns_that_match_nothing_are_errors(tmp_path):
    save(Small(1.0), tmp_path)
    start = WarmStart(
        source=str(tmp_path),
        names=["*", "encodr.*"],
        renames=[("classifier.*", "head.*")],
        allow_missing=["haed.*"],
        allow_unused=["gate"],
        allow_cast=["head.wieght"],
        reshapes=[Interpolate(names=["toknes_MD"])],
    )
    assert stopped(start, Small(0.0)).splitlines() == [
        "WarmStart.names: nothing is called 'encodr.*'; did you mean 'encoder.*'?",
        "WarmStart.renames: nothing is called 'classifier.*'",
        "WarmStart.allow_missing: nothing is called 'haed.*'; did you mean 'head.*'?",
        "WarmStart.allow_unused: nothing is called 'gate'",
        "WarmStart.allow_cast: nothing is called 'head.wieght'; did you mean 'head.weight'?",
        "Interpolate.names: nothing is called 'toknes_MD'; did you mean 'tokens_MD'?",
    ]


def test_two_tensors_cannot_become_one(tmp_path):
    save(Small(1.0), tmp_path)
    start = WarmStart(source=str(tmp_path), renames=[("encoder.bias", "head.bias")])
    assert "encoder.bias, head.bias would all be head.bias" in stopped(start, Small(0.0))


def test_the_source_is_a_workdir_its_checkpoints_or_one_of_them(tmp_path):
    for step in (1, 2):
        save(Small(float(step)), tmp_path / "run", step)
    folder = tmp_path / "run" / "checkpoints"
    for source, step, value in (
        (tmp_path / "run", None, 2.0),
        (tmp_path / "run", 1, 1.0),
        (folder, None, 2.0),
        (folder / "step_00000001", None, 1.0),
        (folder / "step_00000001", 1, 1.0),
        (f"file://{folder}", 1, 1.0),  # Read as a bucket is.
    ):
        model = Small(0.0)
        start = WarmStart(source=str(source), step=step)
        assert filled(start, model)["source"]["step"] == value
        assert model.head.bias.item() == value
        assert start.pinned().step == value


def test_a_source_that_is_not_there_is_told_with_the_nearest(tmp_path):
    save(Small(1.0), tmp_path / "run")
    (tmp_path / "empty").mkdir()
    folder = tmp_path / "run" / "checkpoints"
    for source, step, said in (
        (tmp_path / "rnu", None, "rnu is not there; did you mean '.*run'?"),
        (tmp_path / "empty", None, "empty holds no checkpoints: .* did you mean '.*run'?"),
        (tmp_path / "run", 3, r"no checkpoint of step 3 in .*run, which has \[5\]"),
        (folder / "step_00000005", 3, r"WarmStart\.step is 3; .* is of step 5"),
    ):
        with pytest.raises(CheckpointError, match=said):
            WarmStart(source=str(source), step=step).apply(Small(0.0))


def test_the_optimizer_of_the_source_is_neither_loaded_nor_unused(tmp_path):
    trained = build_model(seed=1)
    optimizer = torch.optim.AdamW(trained.parameters())
    sum(parameter.sum() for parameter in trained.parameters()).backward()
    optimizer.step()
    state = {**training_state(trained, optimizer), "step": 1}
    CheckpointManager(tmp_path).save(1, state)
    told = filled(WarmStart(source=str(tmp_path)), build_model(seed=2))
    assert not [name for names in told.values() for name in names if "exp_avg" in name]


def test_lines_for_people_count_and_name(tmp_path):
    save(with_combiner("transformer"), tmp_path)
    start = WarmStart(
        source=str(tmp_path), allow_missing=["combiner.*"], allow_unused=["combiner.*"]
    )
    counts, missing, unused = start.apply(with_combiner("perceiver")).lines()
    assert counts.startswith(f"Warm start from {tmp_path}/checkpoints/step_00000005: ")
    assert ", 0 renamed, 0 reshaped, 0 cast, " in counts
    assert missing.startswith("missing, as the seed made them: combiner.latents_MD")
    assert " more" in unused


def test_bad_arguments():
    with pytest.raises(ValueError, match=r"renames has \('a\.\*', 'b'\); both must have as many"):
        WarmStart(source="x", renames=[("a.*", "b")])
    with pytest.raises(ValueError, match=r"WarmStart\.step is -1"):
        WarmStart(source="x", step=-1)
