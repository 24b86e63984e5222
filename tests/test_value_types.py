"""Values of the wrong type or out of range, as a person may bind them in a run."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal

import pytest

from mirasol import config
from mirasol.experiment import Trainer
from mirasol.models.mirasol3b import Mirasol
from mirasol.named import TaskName
from mirasol.training.optimizers import AdamW, Optimizer
from mirasol.value_types import parameter_types, phrase, takes
from mirasol.wiring import Reference


def number() -> int:
    return 3


def task() -> TaskName:
    return "a task"


def anything():
    return 3


class Own:
    """What somebody wrote that acts like a part."""

    def build(self, model, options):
        raise NotImplementedError


class Other:
    """What somebody wrote that is none."""


MADE = Reference((), "AdamW", AdamW, True)
UNCALLED = Reference((), "Mirasol", Mirasol, False)
NUMBER = Reference((), "number", number, True)
TASK = Reference((), "task", task, True)
ANYTHING = Reference((), "anything", anything, True)
OWN = Reference((), "Own", Own, True)
OTHER = Reference((), "Other", Other, True)

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
    (Sequence[Optimizer], ANYTHING),
    (Optimizer, OWN),
    (Optimizer | None, None),
    (int, NUMBER),
    (float, NUMBER),
    (int, ANYTHING),
    (int | str, NUMBER),
    (Callable[[], Mirasol], UNCALLED),
    (Any, "whatever"),
    (Literal["a", "b"], "b"),
    (TaskName, "a task"),
    (TaskName, TASK),
    (Sequence[TaskName], [TASK]),
    (Sequence[TaskName], ["a task"]),
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
    (Optimizer, OTHER),
    (Sequence[Optimizer], [OTHER]),
    (int | None, "a"),
    (tuple[int, int, int], 8),
    (tuple[int, int, int], (8, 8)),
    (tuple[int, ...], (8, "a")),
    (Sequence[str], "ab"),
    (Sequence[str], [3]),
    (int, MADE),
    (str, NUMBER),
    (bool, OWN),
    (TaskName, MADE),
    (int, TASK),
    (Literal["a", "b"], NUMBER),
    (Optimizer, None),
    (Optimizer, UNCALLED),
    (Optimizer, NUMBER),
    (Trainer, MADE),
    (Sequence[Optimizer], MADE),
    (Sequence[Optimizer], [3]),
    (Callable[[], Mirasol], 3),
    (Callable[[], Mirasol], MADE),
    (Literal["a", "b"], "c"),
    (Literal[1], True),
    (TaskName, 3),
]


@pytest.mark.parametrize(("annotation", "value"), ALLOWED)
def test_a_value_of_the_type_is_taken(annotation, value):
    assert takes(annotation, value)


@pytest.mark.parametrize(("annotation", "value"), REFUSED)
def test_a_value_of_another_type_is_refused(annotation, value):
    assert not takes(annotation, value)


@pytest.mark.parametrize("text", ["Missing", "math.missing", "3 + 'a'", "int["])
def test_annotations_that_cannot_be_evaluated_let_everything_pass(text):
    def own(value):
        return value

    own.__annotations__ = {"value": text, "return": text}
    assert parameter_types(own) == {}
    assert takes(int, Reference((), "own", own, True))


def test_types_in_phrase():
    assert phrase(tuple[int, float]) == "(a whole number, a number)"
    assert phrase(Sequence[str] | None) == "a list, each item text in quotes or None"
    assert phrase(Literal["a", "b"]) == "'a' or 'b'"
    assert (
        phrase(Sequence[TaskName]) == "a list, each item the name of a task or mixture, in quotes"
    )
    assert phrase(Optimizer) == "a part, @NAME(), such as Optimizer, with build"


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("joint/Stage.task = None", "joint/Stage.task is None; it must be the name of a task"),
        (
            "SEED = None",
            "--gin.SEED: Trainer.seed (%SEED, in ...trainer.gin line ...) is None; "
            "it must be a whole number",
        ),
        (
            "SHUFFLE = 1",
            "--gin.SHUFFLE: TrainingData.shuffle (%SHUFFLE, in ...) is 1; it must be True or False",
        ),
        (
            "TUBELET = 8",
            "--gin.TUBELET: VideoEncoder.tubelet (%TUBELET, in ...) is 8; "
            "it must be (a whole number, a whole number, a whole number)",
        ),
    ],
)
def test_a_run_names_the_parameter_what_it_got_and_what_is_allowed(flag, message):
    with pytest.raises(ValueError) as caught:
        config.load(["runs/av_shapes.gin"], [flag])
    (line,) = str(caught.value).splitlines()
    assert all(part in line for part in message.split("..."))


@pytest.mark.parametrize(
    ("flag", "named"),
    [
        ("HEADS = 0", r"heads is 0; it must be"),
        ("WIDTH = -96", r"width is -96; it must be"),
        ("SHRINK = 3", "shrink 3"),
        ("AdamW.betas = (2.0, 0.9)", "2.0"),
        ("Trainer.clip_norm = 0", "Trainer.clip_norm is 0"),
        ("SEED = -1", "Trainer.seed is -1"),
    ],
)
def test_a_value_out_of_range_is_found_before_anything_is_written(flag, named):
    with pytest.raises(ValueError, match=named):
        config.check(["runs/av_shapes.gin"], [flag])
