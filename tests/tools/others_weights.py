"""Files as others write them, of made-up weights, and what the tool says of them."""

from __future__ import annotations

import json
from pathlib import Path

import convert
import pytest
import torch
from safetensors.torch import save_file

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


def assert_told(error: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        raise ValueError(" ".join(error.split()))


def a_run(folder: Path) -> Path:
    tensors = {"a.weight": torch.randn(3, 4), "b.bias": torch.randn(5).to(torch.bfloat16)}
    state = {"model": tensors, "optimizer": {"a.weight": {"exp_avg": torch.ones(3, 4)}}, "step": 7}
    CheckpointManager(folder / "checkpoints").save(7, state)
    (folder / "config.gin").write_text("SEED = 0\n")
    return folder
