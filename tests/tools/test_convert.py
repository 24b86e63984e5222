"""The tool that imports and exports weights: files in, files out.

That imported weights give what they gave is tested in tests/checkpoint/test_conversion.py.
"""

from __future__ import annotations

import convert
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from mirasol import config
from mirasol.checkpoint.manager import CheckpointManager
from mirasol.checkpoint.warm_start import WarmStart
from tests.tools.others_weights import (
    AST,
    GPT2,
    a_run,
    a_source,
    gpt2_tensors,
    imported,
    run,
    vit_tensors,
)


def test_an_import_is_a_checkpoint_with_an_account(tmp_path, capsys):
    source, output = a_source(tmp_path / "theirs"), tmp_path / "ours"
    code, told, _ = imported(capsys, source, output)
    assert code == 0
    found = CheckpointManager(output).read(0)
    assert all(name.startswith("model.video_encoder.") for name in found)
    theirs = load_file(source / "model.safetensors")
    norm = found["model.video_encoder.transformer.norm.weight"]
    assert torch.equal(norm, theirs["layernorm.weight"])
    assert f"{len(found)} tensors of ours" in told and "1 left" in told
    assert "renamed    layernorm.weight -> video_encoder.transformer.norm.weight" in told
    assert "left       classifier.bias" in told
    assert (output / "model.gin").read_text() in told
    assert "VIDEO_WIDTH = 12" in told and "VIDEO_LAYERS = 1" in told and "VIDEO_HEADS = 3" in told


# As docs/conversion.md lists it.
OURS_ALONE = {
    "video_encoder": ["video_encoder.out.*"],
    "audio_encoder": ["audio_encoder.out.*"],
    "text_decoder": [
        "text_decoder.nothing_D",
        "text_decoder.context_norm.*",
        "text_decoder.blocks.*.cross_norm.*",
        "text_decoder.blocks.*.cross_attention.query.*",
        "text_decoder.blocks.*.cross_attention.key_value.*",
    ],
}


def test_three_imports_make_one_model(tmp_path, capsys):
    sources = {
        "video_encoder": a_source(tmp_path / "vit"),
        # 33 columns are not tiled by patches of 8; they overlap.
        "audio_encoder": a_source(tmp_path / "ast", AST, vit_tensors(2, 2 + 2 * 4, 1)),
        "text_decoder": a_source(tmp_path / "gpt2", GPT2, gpt2_tensors()),
    }
    more = {"video_encoder": ["--chunk_frames=8"], "audio_encoder": ["--chunk_bands=33"]}
    for part, source in sources.items():
        code, _, error = imported(
            capsys, source, tmp_path / part, f"--part={part}", *more.get(part, [])
        )
        assert code == 0, error
    files = [str(tmp_path / part / "model.gin") for part in sources]
    experiment = config.load(["runs/av_shapes_tiny.gin", *files]).build()
    experiment.rehearse()
    model = experiment.build_model()
    for part, alone in OURS_ALONE.items():
        start = WarmStart(source=str(tmp_path / part), names=[f"{part}.*"], allow_missing=alone)
        fitting = start.apply(model).fitting
        assert fitting.loaded == list(fitting.origin)
        for name, tensor in CheckpointManager(tmp_path / part).read(0).items():
            assert torch.equal(model.get_parameter(name.removeprefix("model.")), tensor)
    assert model.audio_encoder.patches.counts == (3, 2)


def test_a_file_alone_has_its_configuration_beside_it(tmp_path, capsys):
    source = a_source(tmp_path / "theirs") / "model.safetensors"
    assert imported(capsys, source, tmp_path / "ours")[0] == 0


def test_there_and_back_nothing_changes(tmp_path, capsys):
    workdir, file = a_run(tmp_path / "run"), tmp_path / "out" / "model.safetensors"
    code, told, _ = run(capsys, "export", f"--workdir={workdir}", f"--output={file}")
    assert code == 0 and f"{file}: 2 tensors" in told
    with safe_open(file, "pt") as opened:
        expected = {"format": "pt", "producer": "mirasol", "step": "7", "config.gin": "SEED = 0\n"}
        assert opened.metadata() == expected
    before = CheckpointManager(workdir / "checkpoints").read(7)
    found = load_file(file)
    assert set(found) == {"a.weight", "b.bias"}
    back = tmp_path / "back"
    assert run(capsys, "import", f"--source={file}", f"--output={back}")[0] == 0
    after = CheckpointManager(back).read(0)
    assert set(after) == {"model.a.weight", "model.b.bias"}
    for name, tensor in after.items():
        assert tensor.dtype == before[name].dtype and torch.equal(tensor, before[name])
    # What was imported is exported, too, from a folder of checkpoints.
    again = tmp_path / "again.safetensors"
    assert run(capsys, "export", f"--workdir={back}", f"--output={again}")[0] == 0
    assert load_file(again).keys() == found.keys()


def test_help_names_parts_and_flags(capsys):
    with pytest.raises(SystemExit) as left:
        convert.main(["import", "--help"])
    assert left.value.code == 0
    told = capsys.readouterr().out
    assert "video_encoder, audio_encoder, text_decoder" in told and "--tubelet_frames" in told
