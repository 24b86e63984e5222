"""Imported weights give what the model that they come from gives; random weights, tiny sizes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors import safe_open

from mirasol import config
from mirasol.checkpoint.conversion import gpt2, tower_sizes
from mirasol.checkpoint.conversion.importing import read_weights
from mirasol.checkpoint.conversion.kernels import inflated
from mirasol.checkpoint.conversion.pictures import CLIP, HALF, IMAGENET
from mirasol.checkpoint.conversion.request import Request

RUN = ["runs/av_shapes_tiny.gin", "models/reconstruction/none.gin"]
TOLERANCE = 1e-5
VIT = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3}
TOWER = {**VIT, "intermediate_size": 40, "image_size": 32, "patch_size": 8}
DINO = {**VIT, "mlp_ratio": 3, "image_size": 32, "patch_size": 8}
TEXT = {**VIT, "intermediate_size": 40, "vocab_size": 20}
SOUND = {**VIT, "intermediate_size": 40, "patch_size": 8, "max_length": 40, "num_mel_bins": 24}


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def last(model, pixels):
    return model(pixels).last_hidden_state


def clip_last(model, pixels):
    # CLIP's own last norm is applied to the class token alone, ours to all.
    return model.post_layernorm(last(model, pixels))


@dataclasses.dataclass(frozen=True)
class Case:
    build: Callable[[], Any]
    pixels: Any = HALF
    output: Callable[..., torch.Tensor] = last
    request: Request = Request()  # noqa: RUF009


def two_towers(kind, tower):
    """Returns a whole CLIP or SigLIP."""
    whole = getattr(transformers, f"{kind}Config")(text_config=TEXT, vision_config=tower)
    return getattr(transformers, f"{kind}Model")(whole)


def videomae(**changes):
    return transformers.VideoMAEConfig(**TOWER, num_frames=4, **changes)


PICTURES = {
    "vit": Case(lambda: transformers.ViTModel(transformers.ViTConfig(**TOWER))),
    "vit-no-bias": Case(
        lambda: transformers.ViTModel(transformers.ViTConfig(**TOWER, qkv_bias=False))
    ),
    "vit-classifier": Case(
        lambda: transformers.ViTForImageClassification(transformers.ViTConfig(**TOWER)),
        output=lambda model, pixels: last(model.vit, pixels),
    ),
    "vit-larger": Case(
        lambda: transformers.ViTModel(transformers.ViTConfig(**TOWER)),
        output=lambda model, x: model(x, interpolate_pos_encoding=True).last_hidden_state,
        request=Request(image_size=48),
    ),
    "siglip": Case(
        lambda: two_towers("Siglip", TOWER), output=lambda m, x: last(m.vision_model, x)
    ),
    "siglip-vision": Case(
        lambda: transformers.SiglipVisionModel(transformers.SiglipVisionConfig(**TOWER))
    ),
    "clip": Case(
        lambda: two_towers("CLIP", TOWER), CLIP, lambda m, x: clip_last(m.vision_model, x)
    ),
    "clip-vision": Case(
        lambda: transformers.CLIPVisionModel(transformers.CLIPVisionConfig(**TOWER)),
        CLIP,
        clip_last,
    ),
    "dinov2": Case(lambda: transformers.Dinov2Model(transformers.Dinov2Config(**DINO)), IMAGENET),
    "dinov2-smaller": Case(
        lambda: transformers.Dinov2Model(transformers.Dinov2Config(**DINO)),
        IMAGENET,
        request=Request(image_size=24),
    ),
    "dinov2-registers": Case(
        lambda: transformers.Dinov2WithRegistersModel(
            transformers.Dinov2WithRegistersConfig(**DINO, num_register_tokens=3)
        ),
        IMAGENET,
        request=Request(image_size=24),
    ),
    "videomae": Case(
        lambda: transformers.VideoMAEModel(videomae(use_mean_pooling=False)), IMAGENET
    ),
    "videomae-pooled": Case(
        lambda: transformers.VideoMAEForVideoClassification(videomae()),
        IMAGENET,
        lambda model, pixels: last(model.videomae, pixels),
    ),
}


def saved(model, folder: Path, **options) -> Path:
    """Saves a model whose every parameter is away from its initial value.

    Not far: outputs of order 1, since the bound is absolute and rounding is not.
    """
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=generator))
    model.eval().save_pretrained(folder, **options)
    return folder


def built(imported, folder: Path, part: str, *lines: str):
    """Builds the part of the tiny model that the import's own gin file states, and fills it."""
    overlay = folder / "model.gin"
    overlay.write_text(imported.overlay)
    model = config.load([*RUN, str(overlay)], lines).build().build_model().eval()
    ours = model.get_submodule(part)
    state = {name.removeprefix(f"{part}."): each for name, each in imported.tensors.items()}
    missing, unexpected = ours.load_state_dict(state, strict=False)
    assert unexpected == []
    return ours, set(missing)


def tokens_of(encoder, media: torch.Tensor) -> torch.Tensor:
    """Returns what the encoder's transformer gives, before the map to our width."""
    kept = []
    encoder.transformer.register_forward_hook(lambda *each: kept.append(each[-1]))
    encoder(media)
    return kept[0]


def a_video(frames: int, size: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (2, frames, size, size, 3), dtype=torch.uint8, generator=generator)


def pixels_of(video_BFHWC: torch.Tensor, mean, std) -> torch.Tensor:
    """Returns the standardised frames [B, F, C, H, W]."""
    share = video_BFHWC.float() / 255
    return ((share - torch.tensor(mean)) / torch.tensor(std)).movedim(-1, 2)


def error_between(found: torch.Tensor, expected: torch.Tensor) -> float:
    assert found.shape == expected.shape
    assert expected.std() > 0.1
    return (found - expected).abs().max().item()


@torch.no_grad()
@pytest.mark.parametrize("name", PICTURES)
def test_a_tower_of_pictures_gives_what_it_gave(name, tmp_path):
    case = PICTURES[name]
    model = case.build()
    imported = read_weights(saved(model, tmp_path / "theirs"), "video_encoder", case.request)
    encoder, missing = built(imported, tmp_path, "video_encoder")
    assert missing == {"out.weight", "out.bias"}
    video = a_video(encoder.patches.counts[0] * encoder.patches.patch[0], _size(encoder))
    pixels = pixels_of(video, *case.pixels)
    frames = video.shape[1]
    expected = case.output(model, pixels if frames > 1 else pixels[:, 0])
    error = error_between(tokens_of(encoder, video), expected)
    print(f"{name}: {error:.1e}")
    assert error < TOLERANCE


@torch.no_grad()
def test_no_tensor_can_be_wrong_unseen(tmp_path):
    case = PICTURES["clip-vision"]
    model = case.build()
    imported = read_weights(saved(model, tmp_path / "theirs"), "video_encoder", Request())
    encoder, _ = built(imported, tmp_path, "video_encoder")
    video = a_video(1, 32)
    expected = case.output(model, pixels_of(video, *case.pixels)[:, 0])
    for name in imported.tensors:
        parameter = encoder.get_parameter(name.removeprefix("video_encoder."))
        right = parameter.clone()
        parameter.add_(0.02 * torch.randn(parameter.shape))
        assert error_between(tokens_of(encoder, video), expected) > 10 * TOLERANCE, name
        parameter.copy_(right)
    assert error_between(tokens_of(encoder, video), expected) < TOLERANCE


def _size(encoder) -> int:
    return encoder.patches.counts[1] * encoder.patches.patch[1]


@torch.no_grad()
def test_ast_gives_what_it_gave(tmp_path):
    model = transformers.ASTModel(
        transformers.ASTConfig(**SOUND, frequency_stride=6, time_stride=5)
    )
    imported = read_weights(saved(model, tmp_path / "theirs"), "audio_encoder", Request())
    encoder, missing = built(imported, tmp_path, "audio_encoder")
    assert missing == {"out.weight", "out.bias"}
    assert encoder.patches.counts == (7, 3)
    audio = torch.randn(2, 40, 24, generator=torch.Generator().manual_seed(2))
    grid = model(audio).last_hidden_state
    # Its patches go through frequency first.
    patches = grid[:, 2:].unflatten(1, (3, 7)).transpose(1, 2).flatten(1, 2)
    expected = torch.cat([grid[:, :2], patches], dim=1)
    error = error_between(tokens_of(encoder, audio), expected)
    print(f"ast: {error:.1e}")
    assert error < TOLERANCE


def a_gpt2(**changes):
    sizes = {"vocab_size": 400, "n_positions": 32, "n_embd": 24, "n_layer": 2, "n_head": 3}
    ends = {"bos_token_id": 1, "eos_token_id": 1}
    return transformers.GPT2LMHeadModel(transformers.GPT2Config(**sizes | ends | changes))


@torch.no_grad()
@pytest.mark.parametrize("tied", [True, False])
def test_gpt2_gives_what_it_gave(tied, tmp_path):
    model = a_gpt2(tie_word_embeddings=tied)
    imported = read_weights(saved(model, tmp_path / "theirs"), "text_decoder", Request())
    decoder, missing = built(imported, tmp_path, "text_decoder")
    # What looks at the clip is ours; its output is zero, so that the rest is heard alone.
    looking = ("cross_norm", "cross_attention.query", "cross_attention.key_value")
    blocks = {name for name in missing if name.startswith("blocks.")}
    assert missing - blocks == {"nothing_D", "context_norm.weight", "context_norm.bias"}
    assert {name.split(".", 2)[2].rsplit(".", 1)[0] for name in blocks} == set(looking)
    generator = torch.Generator().manual_seed(3)
    prompt_BQP = torch.randint(3, 400, (2, 1, 5), generator=generator)
    answer_BQR = torch.randint(3, 400, (2, 1, 4), generator=generator)
    memory = decoder.remember(torch.randn(2, 6, 96), torch.ones(2, 6, dtype=torch.bool))
    found = decoder(memory, prompt_BQP, answer_BQR)[:, 0]
    start = torch.zeros(2, 1, dtype=torch.int64)
    text = torch.cat([prompt_BQP[:, 0], start, answer_BQR[:, 0, :-1]], dim=1)
    error = error_between(found, model(text).logits[:, 5:])
    print(f"gpt2: {error:.1e}")
    assert error < TOLERANCE


@torch.no_grad()
@pytest.mark.parametrize("inflation", ["average", "centre"])
def test_a_tower_of_pictures_sees_a_still_clip_as_its_picture(inflation, tmp_path):
    model = transformers.ViTModel(transformers.ViTConfig(**TOWER))
    request = Request(tubelet_frames=4, inflation=inflation)
    imported = read_weights(saved(model, tmp_path / "theirs"), "video_encoder", request)
    encoder, _ = built(imported, tmp_path, "video_encoder")
    assert "inflated" in imported.account
    picture = a_video(1, 32)
    expected = last(model, pixels_of(picture, *HALF)[:, 0])
    assert error_between(tokens_of(encoder, picture.repeat(1, 4, 1, 1, 1)), expected) < TOLERANCE


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
