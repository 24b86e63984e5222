"""Models of others, tiny and with random weights, and ours with what is imported of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers

from mirasol import config
from mirasol.checkpoint.conversion.pixels import CLIP, HALF, IMAGENET
from mirasol.checkpoint.conversion.request import Request

RUN = ["runs/av_shapes_tiny.gin", "models/reconstruction/none.gin"]


TOLERANCE = 1e-5


VIT = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3}


TOWER = {**VIT, "intermediate_size": 40, "image_size": 32, "patch_size": 8}


DINO = {**VIT, "mlp_ratio": 3, "image_size": 32, "patch_size": 8}


TEXT = {**VIT, "intermediate_size": 40, "vocab_size": 20}


SOUND = {**VIT, "intermediate_size": 40, "patch_size": 8, "max_length": 40, "num_mel_bins": 24}


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
    # 36 px hold 4 patches of 8 px; its convolution leaves out what is over, as at 384 of 14.
    "siglip-cut": Case(
        lambda: two_towers("Siglip", TOWER | {"image_size": 36}),
        output=lambda m, x: last(m.vision_model, x),
        request=Request(image_size=32),
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


def side_of(encoder) -> int:
    return encoder.patches.counts[1] * encoder.patches.patch[1]


def a_gpt2(**changes):
    sizes = {"vocab_size": 400, "n_positions": 32, "n_embd": 24, "n_layer": 2, "n_head": 3}
    ends = {"bos_token_id": 1, "eos_token_id": 1}
    return transformers.GPT2LMHeadModel(transformers.GPT2Config(**sizes | ends | changes))
