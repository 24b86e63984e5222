"""How weights of others are read: sizes, shards, pixels, positions in time, and what is refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch
import transformers
from safetensors import safe_open

from mirasol.checkpoint.conversion import gpt2, tower_sizes
from mirasol.checkpoint.conversion.importing import read_weights
from mirasol.checkpoint.conversion.kernels import inflated
from mirasol.checkpoint.conversion.request import Request
from tests.checkpoint.pretrained import DINO, TOWER, a_gpt2, built, saved


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def test_the_centre_is_one_frame_and_the_average_all():
    kernel_DCHW = torch.randn(5, 3, 2, 2)
    clip = torch.randn(1, 3, 4, 2, 2)
    for inflation, picture in (("centre", clip[:, :, 2]), ("average", clip.mean(dim=2))):
        found = torch.nn.functional.conv3d(clip, inflated(kernel_DCHW, 4, inflation))
        expected = torch.nn.functional.conv2d(picture, kernel_DCHW)
        assert torch.allclose(found[:, :, 0], expected, atol=1e-5)


@torch.no_grad()
def test_positions_of_pictures_are_repeated_in_time(tmp_path):
    model = transformers.ViTModel(transformers.ViTConfig(**TOWER))
    request = Request(tubelet_frames=2, chunk_frames=6, inflation="average")
    imported = read_weights(saved(model, tmp_path / "theirs"), "video_encoder", request)
    table = model.embeddings.position_embeddings[0, 1:]
    found = imported.tensors["video_encoder.patches.positions_ND"]
    assert found.shape == (3 * 16, 24)
    assert all(torch.equal(each, table) for each in found.split(16))
    encoder, _ = built(imported, tmp_path, "video_encoder")
    assert encoder.tokens == 3 * 16 + 1


def test_shards_and_half_precision_are_read_as_one(tmp_path):
    model = transformers.ViTModel(transformers.ViTConfig(**TOWER)).half()
    folder = saved(model, tmp_path / "theirs", max_shard_size="20KB")
    assert len(list(folder.glob("*.safetensors"))) > 1
    imported = read_weights(folder, "video_encoder", Request())
    name = "video_encoder.transformer.norm.weight"
    assert torch.equal(imported.tensors[name], model.layernorm.weight.float())
    assert {each.dtype for each in imported.tensors.values()} == {torch.float32}


def test_pixels_are_scaled_as_the_preprocessor_says(tmp_path):
    model = transformers.ViTModel(transformers.ViTConfig(**TOWER))
    folder = saved(model, tmp_path / "theirs")
    usual = read_weights(folder, "video_encoder", Request())
    (folder / "preprocessor_config.json").write_text('{"image_std": [0.25, 0.25, 0.25]}')
    told = read_weights(folder, "video_encoder", Request())
    name = "video_encoder.patches.project.weight"
    assert torch.allclose(told.tensors[name], 2 * usual.tensors[name])
    (folder / "preprocessor_config.json").unlink()
    (folder / "processor_config.json").write_text('{"image_processor": {"image_std": 0.25}}')
    joint = read_weights(folder, "video_encoder", Request())
    assert torch.equal(joint.tensors[name], told.tensors[name])
    (folder / "processor_config.json").write_text('{"image_processor": {"do_normalize": false}}')
    plain = read_weights(folder, "video_encoder", Request())
    kernel = model.embeddings.patch_embeddings.projection.weight.movedim(1, -1).flatten(1)
    assert torch.allclose(plain.tensors[name], kernel / 2)  # Ours go from -1 to 1, theirs 0 to 1.


def test_the_account_names_every_tensor_of_theirs(tmp_path):
    folder = saved(a_gpt2(), tmp_path / "theirs")
    account = read_weights(folder, "text_decoder", Request()).account
    with safe_open(folder / "model.safetensors", "pt") as file:
        names = [name.replace(".0.", ".*.").replace(".1.", ".*.") for name in file.keys()]  # noqa: SIM118
    assert all(name in account for name in names)
    assert "0 left" in account


@pytest.mark.parametrize(
    ("kind", "usual"),
    [
        ("ViT", tower_sizes.VIT),
        ("CLIPVision", tower_sizes.CLIP),
        ("SiglipVision", tower_sizes.SIGLIP),
        ("Dinov2", tower_sizes.DINOV2),
        ("VideoMAE", tower_sizes.VIDEOMAE),
        ("AST", tower_sizes.AST),
        ("GPT2", gpt2.USUAL),
    ],
)
def test_where_config_is_silent_the_type_says_what_it_says_to_them(kind, usual):
    theirs = getattr(transformers, f"{kind}Config")().to_dict()
    # DINOv2 has a ratio in place of the hidden width, and AST one channel that it does not name.
    silent = {"Dinov2": {"intermediate_size"}, "AST": {"num_channels", "image_size"}}.get(
        kind, set()
    )
    assert usual.keys() - theirs.keys() <= silent
    assert {name: theirs[name] for name in usual.keys() & theirs.keys()} == {
        name: usual[name] for name in usual.keys() & theirs.keys()
    }


def test_t5_is_refused_with_what_does_not_fit(tmp_path):
    sizes = {"vocab_size": 40, "d_model": 24, "d_ff": 40, "num_layers": 1, "num_heads": 3}
    model = transformers.T5ForConditionalGeneration(transformers.T5Config(**sizes, d_kv=8))
    folder = saved(model, tmp_path / "theirs")
    with pytest.raises(ValueError, match=r"'t5' does not fit our text decoder: positions are bias"):
        read_weights(folder, "text_decoder", Request())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_inner": 60}, "n_inner is 60: ours is 4"),
        ({"activation_function": "relu"}, "the nonlinearity 'relu'"),
        ({"scale_attn_by_inverse_layer_idx": True}, "attention is not scaled by"),
        ({"layer_norm_epsilon": 1e-6}, "layer_norm_epsilon is 1e-06"),
    ],
)
def test_a_gpt2_that_does_not_fit_is_refused(change: Mapping[str, Any], message, tmp_path):
    folder = saved(a_gpt2(**change), tmp_path / "theirs")
    with pytest.raises(ValueError, match=message):
        read_weights(folder, "text_decoder", Request())


def test_a_gated_network_is_refused(tmp_path):
    dino = transformers.Dinov2Config(**DINO, use_swiglu_ffn=True)
    folder = saved(transformers.Dinov2Model(dino), tmp_path / "theirs")
    with pytest.raises(ValueError, match="use_swiglu_ffn: our feed-forward network has no gate"):
        read_weights(folder, "video_encoder", Request())
