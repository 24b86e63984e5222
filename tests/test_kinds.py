"""Values of the wrong kind or out of range, as a person may bind them in a run."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from mirasol import config
from mirasol.kinds import allows, words
from mirasol.models.mirasol3b import Mirasol
from mirasol.training.optimizers import Optimizer
from mirasol.wiring import Reference

MADE = Reference((), "AdamW", object, True)
UNCALLED = Reference((), "Mirasol", object, False)

ALLOWED = [
    (int, 3),
    (float, 3),
    (float, 0.5),
    (bool, False),
    (str, "a"),
    (int | None, None),
    (tuple[int, int, int], (8, 8, 8)),
    (tuple[int, int], [8, 16]),
    (tuple[int, ...], ()),
    (Sequence[str], ["a", "b"]),
    (Optimizer, MADE),
    (Sequence[Optimizer], [MADE]),
    (Sequence[Optimizer], MADE),  # Or several.
    (Optimizer | None, None),
    (int, MADE),  # A part may return a number.
    (Callable[[], Mirasol], UNCALLED),
    (Any, "whatever"),
]
REFUSED = [
    (int, 3.0),
    (int, True),
    (int, None),
    (int, UNCALLED),
    (float, "a"),
    (float, math.inf),
    (float, False),
    (bool, 1),
    (str, 3),
    (int | None, "a"),
    (tuple[int, int, int], 8),
    (tuple[int, int, int], (8, 8)),
    (tuple[int, ...], (8, "a")),
    (Sequence[str], "ab"),
    (Sequence[str], [3]),
    (Optimizer, None),
    (Optimizer, UNCALLED),
    (Sequence[Optimizer], [3]),
    (Callable[[], Mirasol], 3),
    (Callable[[], Mirasol], MADE),
]


@pytest.mark.parametrize(("kind", "value"), ALLOWED)
def test_a_value_of_the_kind_is_taken(kind, value):
    assert allows(kind, value)


@pytest.mark.parametrize(("kind", "value"), REFUSED)
def test_a_value_of_another_kind_is_refused(kind, value):
    assert not allows(kind, value)


def test_kinds_in_words():
    assert words(tuple[int, float]) == "(a whole number, a number)"
    assert words(Sequence[str] | None) == "a list, each item text in quotes or None"
    assert words(Optimizer) == "a part, @NAME(), of the kind Optimizer"


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("joint/Stage.task = None", "joint/Stage.task is None; it must be text in quotes"),
        ("SEED = None", "Trainer.seed (%SEED) is None; it must be a whole number"),
        ("SHUFFLE = 1", "TrainingData.shuffle (%SHUFFLE) is 1; it must be True or False"),
        (
            "TUBELET = 8",
            "VideoEncoder.tubelet (%TUBELET) is 8; "
            "it must be (a whole number, a whole number, a whole number)",
        ),
    ],
)
def test_a_run_names_the_parameter_what_it_got_and_what_is_allowed(flag, message):
    with pytest.raises(ValueError) as caught:
        config.load(["runs/av_shapes.gin"], [flag])
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("flag", "named"),
    [
        ("HEADS = 0", "cannot be built with these values"),
        ("WIDTH = -96", "-96"),
        ("SHRINK = 3", "shrink 3"),
        ("AdamW.betas = (2.0, 0.9)", "2.0"),
        ("Trainer.clip_norm = 0", "Trainer.clip_norm is 0"),
        ("SEED = -1", "Trainer.seed is -1"),
    ],
)
def test_a_value_out_of_range_is_found_before_anything_is_written(flag, named):
    with pytest.raises(ValueError, match=named):
        config.load(["runs/av_shapes.gin"], [flag]).build().rehearse()
