"""A training over several processes is that of one: losses, gradients, parameters and answers."""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Sequence
from typing import Any

import pytest

from mirasol.runtime.mesh import Mesh
from tests import processes
from tests.runtime.several import CASES, Case, trained

STEPS = 4
SPREAD = "latent_spread"  # Of a step in parts it is the mean over these.
FEW = [
    "fsdp",
    "data, microbatches, recomputed",
    "tensor",
]  # By two processes; the rest by four, slowly.
MANY = [name for name in CASES if name not in FEW]
EXACT = [name for name, case in CASES.items() if case.precision == "float32"]


def marked(names: Sequence[str]) -> list:
    return [pytest.param(n, marks=[] if n in FEW else [pytest.mark.slow]) for n in names]


@functools.cache
def alone(case: Case) -> dict[str, Any]:
    """What one process makes of it, at once and without computing anything again."""
    plain = dataclasses.replace(case, mesh=Mesh(), microbatches=1, recompute=False)
    return trained(plain, STEPS)


@functools.cache
def told(count: int, names: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    arguments = ["-m", "tests.runtime.several", str(STEPS), *names]
    return json.loads(processes.finish(processes.start(count, arguments))[0])


def several(name: str) -> dict[str, Any]:
    """What some processes make of a case; one launch of them for all cases of a kind."""
    return told(2, tuple(FEW))[name] if name in FEW else told(4, tuple(MANY))[name]


@pytest.mark.parametrize("name", marked(EXACT))
def test_each_step_is_that_of_one_process(name):
    got, want = several(name)["values"], alone(CASES[name])["values"]
    for values, wanted in zip(got, want, strict=True):
        assert values.keys() == wanted.keys()
        assert {"loss", "text_loss", "gradient_norm", "token_accuracy"} < values.keys()
        for value in values.keys() - {SPREAD}:
            assert values[value] == pytest.approx(wanted[value], rel=1e-4, abs=1e-6), value
    # A gradient that is clipped and one that is not: the norm counts, whole.
    assert want[0]["gradient_norm"] > 1


@pytest.mark.parametrize("name", marked(EXACT))
def test_the_parameters_become_those_of_one_process(name):
    # The biases of keys have no gradient but rounding, of which AdamW makes steps all the same.
    wanted = pytest.approx(alone(CASES[name])["norms"], rel=1e-4, abs=1e-4)
    assert several(name)["norms"] == wanted


@pytest.mark.parametrize("name", marked(list(CASES)))
def test_answers_are_those_of_one_process(name):
    written, scored = several(name)["answers"]
    wanted_written, wanted_scored = alone(CASES[name])["answers"]
    exact = name in EXACT
    assert not exact or written == wanted_written
    assert scored == pytest.approx(wanted_scored, rel=1e-3 if exact else 0.05)


@pytest.mark.slow
def test_losses_in_bfloat16_are_near():
    got, want = several("bfloat16")["values"], alone(CASES["bfloat16"])["values"]
    for values, wanted in zip(got, want, strict=True):
        assert values["loss"] == pytest.approx(wanted["loss"], rel=0.02)


@pytest.mark.parametrize("name", marked(list(CASES)))
def test_parameters_lie_as_the_mesh_says(name):
    count = 2 if name in FEW else 4
    sizes = CASES[name].mesh.sizes(count)
    pieces = sizes["fsdp"] * sizes["tensor"]
    held, of_all = several(name)["held"], alone(CASES[name])["held"]
    assert of_all / pieces <= held <= of_all / pieces * 1.1 + (sizes["tensor"] - 1) * of_all
    assert several(name)["share"] == [0, count // sizes["tensor"]]
    laid_out = " x ".join(f"{axis} {size}" for axis, size in sizes.items())
    assert f"{count} processes ({laid_out})" in several(name)["told"]
    assert "processes" not in alone(CASES[name])["told"]
