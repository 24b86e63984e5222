"""Imported weights give what the model that they come from gives; random weights, tiny sizes."""

from __future__ import annotations

import pytest
import torch
import transformers

from mirasol.checkpoint.conversion.importing import read_weights
from mirasol.checkpoint.conversion.pixels import HALF
from mirasol.checkpoint.conversion.request import Request
from tests.checkpoint.pretrained import (
    PICTURES,
    SOUND,
    TOLERANCE,
    TOWER,
    a_gpt2,
    a_video,
    built,
    error_between,
    last,
    pixels_of,
    saved,
    side_of,
    tokens_of,
)


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


@torch.no_grad()
@pytest.mark.parametrize("name", PICTURES)
def test_a_tower_of_pictures_gives_what_it_gave(name, tmp_path):
    case = PICTURES[name]
    model = case.build()
    imported = read_weights(saved(model, tmp_path / "theirs"), "video_encoder", case.request)
    encoder, missing = built(imported, tmp_path, "video_encoder")
    assert missing == {"out.weight", "out.bias"}
    video = a_video(encoder.patches.counts[0] * encoder.patches.patch[0], side_of(encoder))
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
