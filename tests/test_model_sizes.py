"""The shipped sizes of the model, built without memory."""

from __future__ import annotations

import functools

import pytest

from mirasol import config
from mirasol.experiment import Experiment
from mirasol.models.vit_sizes import ViTSize, vit_size

SIZES = ("small", "base", "1b", "3b")
FRAMES = (16, 128, 512)


@functools.cache
def shapes(size: str, frames: int) -> dict[str, tuple[int, ...]]:
    """Returns the shape of every parameter."""
    files = ["runs/av_shapes.gin", f"models/mirasol_{size}.gin", f"data/frames_{frames}.gin"]
    experiment: Experiment = config.load(files).build()
    model = experiment.build_model("meta")
    return {name: tuple(parameter.shape) for name, parameter in model.named_parameters()}


def count(size: str, prefix: str = "") -> int:
    return sum(
        functools.reduce(int.__mul__, shape, 1)
        for name, shape in shapes(size, 128).items()
        if name.startswith(prefix)
    )


@pytest.mark.parametrize("size", SIZES)
def test_more_frames_need_no_more_parameters(size):
    assert shapes(size, 16) == shapes(size, 128) == shapes(size, 512)


@pytest.mark.parametrize(
    ("size", "millions", "within"),
    [("small", 50, 0.1), ("base", 300, 0.1), ("1b", 1000, 0.05), ("3b", 3000, 0.02)],
)
def test_a_size_has_the_parameters_that_it_is_named_for(size, millions, within):
    assert count(size) == pytest.approx(millions * 1e6, rel=within)


def test_a_little_over_half_of_3b_comes_before_the_text_decoder():
    share = 1 - count("3b", "text_decoder.") / count("3b")
    assert 0.5 < share < 0.6


@pytest.mark.parametrize(
    ("size", "video", "audio"),
    [("small", "S", "Ti"), ("base", "B", "B"), ("1b", "L", "B"), ("3b", "H", "L")],
)
def test_the_encoders_are_vits_of_the_usual_sizes(size, video, audio):
    macros = config.load(["runs/av_shapes.gin", f"models/mirasol_{size}.gin"]).macros
    for name, letter in (("VIDEO", video), ("AUDIO", audio)):
        stated = [macros[f"{name}_{what}"] for what in ("WIDTH", "LAYERS", "HEADS")]
        assert ViTSize(*stated) == vit_size(letter)
