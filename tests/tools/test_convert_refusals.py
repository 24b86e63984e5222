"""What the tool that imports and exports weights refuses: code 2, and nothing is written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from tests.tools.others_weights import (
    VIT,
    a_run,
    a_source,
    assert_told,
    imported,
    run,
    vit_tensors,
)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--part=vidoe_encoder"], r"--part is 'vidoe_encoder'; .*did you mean 'video_encoder'"),
        (["--part=text_decoder"], "weights of ViT are for 'video_encoder'"),
        (["--chunk_bands=10"], "--chunk_bands has no effect on ViT, which takes --chunk_frames"),
        (["--tubelet_frames=2"], "say by --inflation how kernels of pictures become"),
        (["--inflation=centr"], "--inflation is 'centr'.*did you mean 'centre'"),
        (["--tubelet_frames=0"], "--tubelet_frames is 0; it must be above 0"),
        (
            ["--tubelet_frames=2", "--inflation=centre", "--chunk_frames=3"],
            "--chunk_frames is 3, and a tubelet has 2 frames",
        ),
        (["--inflation=centre"], "--inflation is 'centre' and has no effect on tubelets of one"),
        (
            ["--image_size=20"],
            "20 px are no multiple of patches of 8 px.*--image_size=16 or 24, say",
        ),
    ],
)
def test_a_request_that_cannot_be_met(more, message, tmp_path, capsys):
    code, _, error = imported(capsys, a_source(tmp_path / "theirs"), tmp_path / "ours", *more)
    assert code == 2
    assert_told(error, message)
    assert not (tmp_path / "ours").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model_type": "dino2"}, "model_type 'dino2'; known are vit,.*did you mean 'dinov2'"),
        ({"model_type": "mt5"}, "'mt5' does not fit our text decoder: positions are biases"),
        ({"hidden_act": "swish"}, "the nonlinearity 'swish'"),
        ({"num_channels": 1}, "num_channels is 1, and ours take 3"),
        ({"patch_size": [8, 4]}, r"patch_size is \[8, 4\]: it must be one whole .* are square"),
        ({"hidden_size": "12"}, "hidden_size is '12': it must be a whole number above 0"),
        ({"num_attention_heads": 5}, "5 heads do not divide a width of 12"),
        ({"model_type": "clip"}, "config.json of CLIP has no section 'vision_config'.*it has mod"),
        ({"hidden_size": 24}, r"is \(12, 3, 8, 8\), and config.json says \(24, 3, 8, 8\)"),
        ({"num_hidden_layers": 2}, "has no 'encoder.layer.1.layernorm_before.weight'"),
    ],
)
def test_weights_that_do_not_fit(change, message, tmp_path, capsys):
    source = a_source(tmp_path / "theirs", VIT | change)
    code, _, error = imported(capsys, source, tmp_path / "ours")
    assert code == 2
    assert_told(error, message)


def damaged(folder: Path) -> None:
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[: len(whole) // 2])


def pickled(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def without_a_shard(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def leading_elsewhere(folder: Path) -> None:
    index = {"weight_map": {"a": "../other.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def without_a_description(folder: Path) -> None:
    (folder / "config.json").unlink()


def with_a_broken_description(folder: Path) -> None:
    (folder / "config.json").write_text("{")


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (damaged, "cannot read .*model.safetensors"),
        (pickled, "it holds config.json, pytorch_model.bin .what is pickled.* is not read"),
        (without_a_shard, "not there: .'model-00001-of-00002.safetensors'"),
        (leading_elsewhere, "Each must lie beside it"),
        (without_a_description, "model_type 'None'"),
        (with_a_broken_description, "cannot read .*config.json"),
    ],
)
def test_files_that_cannot_be_read(harm, message, tmp_path, capsys):
    source = a_source(tmp_path / "theirs")
    harm(source)
    code, _, error = imported(capsys, source, tmp_path / "ours")
    assert code == 2
    assert_told(error, message)


def test_a_folder_that_is_not_there(tmp_path, capsys):
    a_source(tmp_path / "theirs")
    code, _, error = imported(capsys, tmp_path / "thiers", tmp_path / "ours")
    assert code == 2 and f"did you mean '{tmp_path / 'theirs'}'" in error


@pytest.mark.parametrize(
    ("told", "message"),
    [
        (
            {"image_mean": [0.5] * 4},
            r"image_mean \[0.5, 0.5, 0.5, 0.5\] and image_std .* three",
        ),
        ({"image_std": [0.5, 0.0, 0.5]}, "a deviation must be above 0"),
        ({"do_rescale": False}, "does not bring pixels into .0, 1. .do_rescale, rescale_factor"),
        ({"rescale_factor": 1 / 127.5}, "rescale_factor 0.0078"),
    ],
)
def test_pixels_that_ours_cannot_be(told, message, tmp_path, capsys):
    source = a_source(tmp_path / "theirs")
    (source / "preprocessor_config.json").write_text(json.dumps(told))
    code, _, error = imported(capsys, source, tmp_path / "ours")
    assert code == 2
    assert_told(error, message)


def test_quantised_weights_are_not_taken_for_numbers(tmp_path, capsys):
    tensors = vit_tensors()
    name = "encoder.layer.0.output.dense.weight"
    tensors[name] = tensors[name].to(torch.int8)
    source = a_source(tmp_path / "theirs", tensors=tensors)
    code, _, error = imported(capsys, source, tmp_path / "ours")
    assert code == 2 and f"{name} is torch.int8, quantised as it seems" in error


def test_a_part_that_was_not_exported(tmp_path, capsys):
    file = tmp_path / "model.safetensors"
    run(capsys, "export", f"--workdir={a_run(tmp_path / 'run')}", f"--output={file}")
    code, _, error = imported(capsys, file, tmp_path / "ours", "--part=audio_encoder")
    assert code == 2 and "holds nothing of 'audio_encoder', only of a, b" in error
    assert not (tmp_path / "ours").exists()


def test_a_checkpoint_is_not_replaced(tmp_path, capsys):
    source, output = a_source(tmp_path / "theirs"), tmp_path / "ours"
    assert imported(capsys, source, output)[0] == 0
    before = (output / "model.gin").stat().st_mtime_ns
    code, _, error = imported(capsys, source, output)
    assert code == 2 and "is complete already" in error
    assert (output / "model.gin").stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--output=model.pt"], "its name must end in .safetensors"),
        (["--output=there.safetensors"], "is there already"),
        (["--output=x.safetensors", "--step=8"], r"no checkpoint of step 8 in .*, which has .7."),
    ],
)
def test_an_export_that_cannot_be(more, message, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.safetensors").touch()
    code, _, error = run(capsys, "export", f"--workdir={a_run(tmp_path / 'run')}", *more)
    assert code == 2
    assert_told(error, message)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run", "there.safetensors"]


def test_a_folder_without_checkpoints(tmp_path, capsys):
    code, _, error = run(
        capsys, "export", f"--workdir={tmp_path}", f"--output={tmp_path / 'x.safetensors'}"
    )
    assert code == 2 and "holds no checkpoints" in error
