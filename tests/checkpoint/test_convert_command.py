"""python -m mirasol checkpoint convert; the weights themselves are tested in test_conversion.py."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from mirasol.__main__ import main
from mirasol.checkpoint.manager import CheckpointManager

D = 12
# A ViT of one layer, as config.json describes it.
VIT = {
    "model_type": "vit",
    "hidden_size": D,
    "num_hidden_layers": 1,
    "num_attention_heads": 3,
    "intermediate_size": 2 * D,
    "image_size": 16,
    "patch_size": 8,
}
LAYER = {
    **{f"attention.attention.{name}": (D, D) for name in ("query", "key", "value")},
    "attention.output.dense": (D, D),
    "intermediate.dense": (2 * D, D),
    "output.dense": (D, 2 * D),
    "layernorm_before": (D,),
    "layernorm_after": (D,),
}


def vit_tensors() -> dict[str, torch.Tensor]:
    shapes = {f"encoder.layer.0.{name}.weight": shape for name, shape in LAYER.items()}
    shapes |= {f"encoder.layer.0.{name}.bias": shape[:1] for name, shape in LAYER.items()}
    shapes |= {"layernorm.weight": (D,), "layernorm.bias": (D,)}
    shapes |= {"embeddings.position_embeddings": (1, 5, D), "embeddings.cls_token": (1, 1, D)}
    kernel = "embeddings.patch_embeddings.projection"
    shapes |= {f"{kernel}.weight": (D, 3, 8, 8), f"{kernel}.bias": (D,)}
    return {name: torch.randn(shape) for name, shape in shapes.items()}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workdir `demo` of steps 4 and 8, and `vit`, weights as Hugging Face's tools write them."""
    monkeypatch.chdir(tmp_path)
    for step in (4, 8):
        model = {"a.weight": torch.full((3, 4), step + 0.5), "b": torch.ones(5).bfloat16()}
        state = {"model": model, "optimizer": {"b": {"exp_avg": torch.ones(5)}}, "step": step}
        CheckpointManager("demo/checkpoints").save(step, state)
    Path("demo/config.gin").write_text("SEED = 0\n")
    Path("vit").mkdir()
    Path("vit/config.json").write_text(json.dumps(VIT))
    save_file(vit_tensors(), "vit/model.safetensors")
    return tmp_path


def run(capsys: pytest.CaptureFixture, line: str) -> tuple[int, str, str]:
    code = main(["checkpoint", "convert", *line.split()])
    out, err = capsys.readouterr()
    return code, out, err


@pytest.mark.parametrize(
    ("source", "step"),
    [
        ("demo", 8),
        ("demo/checkpoints", 8),
        ("demo/checkpoints/step_00000004", 4),
        ("demo --step=4", 4),
    ],
)
def test_ours_to_a_file_and_back(folder: Path, capsys, source: str, step: int):
    assert run(capsys, f"{source} out/demo.safetensors") == (
        *(0, "out/demo.safetensors: 2 tensors\n", ""),
    )
    assert load_file("out/demo.safetensors")["a.weight"].eq(step + 0.5).all()
    assert run(capsys, "out/demo.safetensors back")[0] == 0
    found = CheckpointManager("back").read(0)
    assert found.keys() == {"model.a.weight", "model.b"}
    assert found["model.b"].dtype == torch.bfloat16
    assert found["model.a.weight"].eq(step + 0.5).all()


def test_an_address_is_as_good_as_a_path(folder: Path, capsys):
    url = f"file://{folder}/bucket"
    assert run(capsys, f"vit {url}/vit --part=video_encoder")[0] == 0
    assert (folder / "bucket" / "vit" / "model.gin").is_file()
    assert run(capsys, f"{url}/vit vit.safetensors")[0] == 0
    name = "video_encoder.transformer.norm.weight"
    theirs = load_file("vit/model.safetensors")["layernorm.weight"]
    assert torch.equal(load_file("vit.safetensors")[name], theirs)


def test_weights_of_others(folder: Path, capsys):
    options = "--part=video_encoder --tubelet_frames=2 --inflation=centre --chunk_frames=4"
    code, out, _ = run(capsys, f"vit ours {options}")
    assert code == 0
    assert "renamed    layernorm.weight -> video_encoder.transformer.norm.weight" in out
    assert "ours: checkpoint of step 0" in out
    assert Path("ours/model.gin").read_text() in out
    code, out, _ = run(capsys, "vit again --part=video_encoder --format=json")
    assert json.loads(out)["output"] == "again"
    assert json.loads(out)["tensors"] > 10


REFUSED = [
    ("demo", "needs two places", "not 1"),
    ("dmo demo.safetensors", "dmo is not there", "did you mean 'demo'?"),
    ("vti ours --part=video_encoder", "vti has no weights", "did you mean 'vit'?"),
    ("demo ours", "demo holds no safetensors", "ends in .safetensors, and ours does not"),
    ("vit vit.safetensors", "vit holds safetensors", "vit.safetensors is the name of a file"),
    ("demo vit/model.safetensors", "is there already", "choose another"),
    ("demo demo.safetensors --step=9", "no checkpoint of step 9", "the nearest is --step=8"),
    ("demo demo.safetensors --part=video_encoder", "--part has no effect", "convert"),
    ("vit ours", "--part is missing", ""),
    ("vit ours --part=vidoe_encoder", "--part is 'vidoe_encoder'", "'video_encoder'"),
    ("vit ours --part=video_encoder --step=3", "vit is no checkpoint", "leave out --step=3"),
    ("vit ours --part=video_encoder --image_size=x", "--image_size=x", "a whole number"),
    ("vit demo/checkpoints --part=video_encoder --tubelet_frames=2", "by --inflation how", ""),
]


@pytest.mark.parametrize(("line", "named", "offered"), REFUSED, ids=[case[0] for case in REFUSED])
def test_bad_input_is_one_line_and_writes_nothing(
    folder: Path, capsys, line: str, named: str, offered: str
):
    before = sorted(path for path in folder.rglob("*"))
    code, out, err = run(capsys, line)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert named in err
    assert offered in err
    assert sorted(path for path in folder.rglob("*")) == before


def test_other_actions_refuse_its_flags(folder: Path, capsys):
    assert main(["checkpoint", "ls", "demo", "--part=video_encoder"]) == 2
    assert "--part has no effect on checkpoint ls; it is for convert" in capsys.readouterr().err
