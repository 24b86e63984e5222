"""The tool that imports and exports weights: files in, files out, and what it refuses.

That imported weights give what they gave is tested in tests/checkpoint/test_conversion.py.
"""

from __future__ import annotations

import json
from pathlib import Path

import convert
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from mirasol import config
from mirasol.checkpoint.manager import CheckpointManager

D = 12
VIT = {
    "model_type": "vit",
    "hidden_size": D,
    "num_hidden_layers": 1,
    "num_attention_heads": 3,
    "intermediate_size": 2 * D,
    "image_size": 16,
    "patch_size": 8,
}
GPT2 = {"model_type": "gpt2", "n_embd": D, "n_layer": 1, "n_head": 3, "vocab_size": 400}
AST = {
    "model_type": "audio-spectrogram-transformer",
    **{name: VIT[name] for name in list(VIT)[1:5]},
    "patch_size": 8,
    "max_length": 40,
    "num_mel_bins": 24,
}


def vit_tensors(classes: int = 1, places: int = 5, channels: int = 3) -> dict[str, torch.Tensor]:
    """Returns what a file of a ViT of that size holds, and a head that nobody takes."""
    modules = {
        "attention.attention.query": (D, D),
        "attention.attention.key": (D, D),
        "attention.attention.value": (D, D),
        "attention.output.dense": (D, D),
        "intermediate.dense": (2 * D, D),
        "output.dense": (D, 2 * D),
        "layernorm_before": (D,),
        "layernorm_after": (D,),
    }
    shapes = {f"encoder.layer.0.{name}.weight": shape for name, shape in modules.items()}
    shapes |= {f"encoder.layer.0.{name}.bias": shape[:1] for name, shape in modules.items()}
    shapes |= {"layernorm.weight": (D,), "layernorm.bias": (D,), "classifier.bias": (7,)}
    kernel = "embeddings.patch_embeddings.projection"
    shapes |= {f"{kernel}.weight": (D, channels, 8, 8), f"{kernel}.bias": (D,)}
    shapes |= {"embeddings.position_embeddings": (1, places, D)}
    names = ("cls_token", "distillation_token")[:classes]
    shapes |= {f"embeddings.{name}": (1, 1, D) for name in names}
    return {name: torch.randn(shape) for name, shape in shapes.items()}


def gpt2_tensors() -> dict[str, torch.Tensor]:
    shapes = {
        "wte.weight": (400, D),
        "wpe.weight": (1024, D),
        "ln_f.weight": (D,),
        "ln_f.bias": (D,),
    }
    for name, shape in {
        "attn.c_attn": (D, 3 * D),
        "attn.c_proj": (D, D),
        "mlp.c_fc": (D, 4 * D),
        "mlp.c_proj": (4 * D, D),
        "ln_1": (D,),
        "ln_2": (D,),
    }.items():
        shapes |= {f"h.0.{name}.weight": shape, f"h.0.{name}.bias": shape[-1:]}
    return {name: torch.randn(shape) for name, shape in shapes.items()}


def a_source(folder: Path, described=VIT, tensors=None) -> Path:
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(described))
    save_file(vit_tensors() if tensors is None else tensors, folder / "model.safetensors")
    return folder


def run(capsys, *arguments) -> tuple[int, str, str]:
    code = convert.main([str(argument) for argument in arguments])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def imported(capsys, source: Path, output: Path, *more: str) -> tuple[int, str, str]:
    part = () if any(each.startswith("--part") for each in more) else ("--part=video_encoder",)
    return run(capsys, "import", f"--source={source}", f"--output={output}", *part, *more)


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
    for part in sources:
        named = CheckpointManager(tmp_path / part).read(0)
        state = {name.removeprefix("model."): tensor for name, tensor in named.items()}
        assert model.load_state_dict(state, strict=False).unexpected_keys == []
    assert model.audio_encoder.patches.counts == (3, 2)


def test_a_file_alone_has_its_configuration_beside_it(tmp_path, capsys):
    source = a_source(tmp_path / "theirs") / "model.safetensors"
    assert imported(capsys, source, tmp_path / "ours")[0] == 0


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
        (["--image_size=20"], "pictures of 20 px are no multiple of patches of 8 px"),
    ],
)
def test_a_request_that_cannot_be_met(more, message, tmp_path, capsys):
    code, _, error = imported(capsys, a_source(tmp_path / "theirs"), tmp_path / "ours", *more)
    assert code == 2
    assert_told(error, message)
    assert not (tmp_path / "ours").exists()


def assert_told(error: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        raise ValueError(" ".join(error.split()))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model_type": "dino2"}, "model_type 'dino2'; known are vit,.*did you mean 'dinov2'"),
        ({"model_type": "mt5"}, "'mt5' does not fit our text decoder: positions are biases"),
        ({"hidden_act": "swish"}, "the nonlinearity 'swish'"),
        ({"num_channels": 1}, "num_channels is 1, and ours take 3"),
        ({"patch_size": [8, 4]}, r"patch_size is \[8, 4\]: ours are square"),
        ({"hidden_size": 16}, r"is \(12, 3, 8, 8\), and config.json says \(16, 3, 8, 8\)"),
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
    assert code == 2 and "did you mean 'theirs'" in error


def test_a_checkpoint_is_not_replaced(tmp_path, capsys):
    source, output = a_source(tmp_path / "theirs"), tmp_path / "ours"
    assert imported(capsys, source, output)[0] == 0
    before = (output / "model.gin").stat().st_mtime_ns
    code, _, error = imported(capsys, source, output)
    assert code == 2 and "is complete already" in error
    assert (output / "model.gin").stat().st_mtime_ns == before


def a_run(folder: Path) -> Path:
    tensors = {"a.weight": torch.randn(3, 4), "b.bias": torch.randn(5).to(torch.bfloat16)}
    state = {"model": tensors, "optimizer": {"a.weight": {"exp_avg": torch.ones(3, 4)}}, "step": 7}
    CheckpointManager(folder / "checkpoints").save(7, state)
    (folder / "config.gin").write_text("SEED = 0\n")
    return folder


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


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--output=model.pt"], "its name must end in .safetensors"),
        (["--output=there.safetensors"], "is there already"),
        (["--output=x.safetensors", "--step=8"], "no checkpoint of step 8 in .*there are: .7"),
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
    assert code == 2 and "no complete checkpoint" in error


def test_help_names_parts_and_flags(capsys):
    with pytest.raises(SystemExit) as left:
        convert.main(["import", "--help"])
    assert left.value.code == 0
    told = capsys.readouterr().out
    assert "video_encoder, audio_encoder, text_decoder" in told and "--tubelet_frames" in told
