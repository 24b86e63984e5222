"""The shipped sizes of the model, built without memory."""

from __future__ import annotations

import functools

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from mirasol import config
from mirasol.gin_files import shipped_folder
from mirasol.models.mirasol3b import Mirasol
from mirasol.models.vit_sizes import ViTSize, vit_size

SIZES = ("small", "base", "1b", "3b")
VARIANTS = ("transformer", "token_turing")
COMBINERS = sorted(path.stem for path in (shipped_folder() / "models/combiners").glob("*.gin"))
# Tubelets of 4x16x16 in a chunk of 8x224x224, and patches of 8x16 in a spectrogram of 32x128.
TOKENS = 2 * 14 * 14 + 4 * 8


@functools.cache
def build(size: str, frames: int, combiner: str = "transformer") -> Mirasol:
    files = ["runs/av_shapes.gin", f"models/mirasol_{size}.gin", f"data/frames_{frames}.gin"]
    files.append(f"models/combiners/{combiner}.gin")
    # Without a Combiner all tokens go on, and the latent model must be told how many.
    lines = [f"COMBINER_TOKENS = {TOKENS}"] if combiner == "none" else []
    return config.load(files, lines).build().build_model("meta")


def shapes(size: str, frames: int, combiner: str = "transformer") -> dict[str, tuple[int, ...]]:
    """Returns the shape of every parameter."""
    model = build(size, frames, combiner)
    return {name: tuple(parameter.shape) for name, parameter in model.named_parameters()}


def count(size: str, prefix: str = "", combiner: str = "transformer") -> int:
    return sum(
        functools.reduce(int.__mul__, shape, 1)
        for name, shape in shapes(size, 128, combiner).items()
        if name.startswith(prefix)
    )


@pytest.mark.parametrize("combiner", VARIANTS)
@pytest.mark.parametrize("size", SIZES)
def test_more_frames_need_no_more_parameters(size, combiner):
    assert shapes(size, 16, combiner) == shapes(size, 128, combiner) == shapes(size, 512, combiner)


@pytest.mark.parametrize("combiner", COMBINERS)
def test_more_frames_need_no_more_parameters_whatever_the_combiner(combiner):
    few, many = (shapes("small", frames, combiner) for frames in (16, 512))
    assert few == shapes("small", 128, combiner) == many


@pytest.mark.parametrize("combiner", VARIANTS)
@pytest.mark.parametrize(
    ("size", "millions", "within"),
    [("small", 50, 0.1), ("base", 300, 0.1), ("1b", 1000, 0.05), ("3b", 3000, 0.02)],
)
def test_a_size_has_the_parameters_that_it_is_named_for(size, millions, within, combiner):
    assert count(size, combiner=combiner) == pytest.approx(millions * 1e6, rel=within)


@pytest.mark.parametrize("combiner", VARIANTS)
def test_a_little_over_half_of_3b_comes_before_the_text_decoder(combiner):
    share = 1 - count("3b", "text_decoder.", combiner) / count("3b", combiner=combiner)
    assert 0.5 < share < 0.6


def operations(combiner: str) -> int:
    """Returns what the Combiner of 3b multiplies and adds for one clip of 16 chunks."""
    model = build("3b", 128, combiner)
    width = model.video_encoder.out.out_features
    tokens_BTND = torch.empty(1, 16, TOKENS, width, device="meta")
    valid_BTN = torch.ones(1, 16, TOKENS, dtype=torch.bool, device="meta")
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model.combiner(tokens_BTND, valid_BTN)
    return counter.get_total_flops()


def test_a_token_turing_machine_saves_the_operations_that_the_paper_says():
    assert operations("token_turing") <= 0.82 * operations("transformer")


@pytest.mark.parametrize(
    ("size", "video", "audio"),
    [("small", "S", "Ti"), ("base", "B", "B"), ("1b", "L", "B"), ("3b", "H", "L")],
)
def test_the_encoders_are_vits_of_the_usual_sizes(size, video, audio):
    macros = config.load(["runs/av_shapes.gin", f"models/mirasol_{size}.gin"]).macros
    for name, letter in (("VIDEO", video), ("AUDIO", audio)):
        stated = [macros[f"{name}_{what}"] for what in ("WIDTH", "LAYERS", "HEADS")]
        assert ViTSize(*stated) == vit_size(letter)
