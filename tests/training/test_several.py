"""Bad steps, the running mean and each optimizer over several processes are those of one."""

from __future__ import annotations

import dataclasses
import functools
import json
from typing import Any

import pytest

from mirasol.runtime.mesh import Mesh
from tests import processes
from tests.runtime.several import threads
from tests.training.several import BAD, CASES, trained

pytestmark = pytest.mark.slow

STEPS = 3


@functools.cache
def alone(name: str) -> dict[str, Any]:
    with threads():
        return trained(dataclasses.replace(CASES[name], mesh=Mesh()), STEPS)


@functools.cache
def several(*names: str) -> dict[str, dict[str, Any]]:
    arguments = ["-W", "error", "-m", "tests.training.several", str(STEPS), *names]
    return json.loads(processes.finish(processes.start(2, arguments))[0])


def of_two(name: str) -> dict[str, Any]:
    """What two processes make of a case; one launch for all."""
    return several(*CASES)[name]


@pytest.mark.parametrize("name", CASES)
def test_all_processes_find_the_same_steps_bad(name):
    got, (wanted,) = of_two(name)["values"], alone(name)["values"]
    assert json.dumps(got[0]) == json.dumps(got[1])  # NaN is NaN as text.
    assert [values["skipped_steps"] for values in got[0]] == [
        float(step in BAD) for step in range(1, STEPS + 1)
    ]
    # Muon's products are in bfloat16.
    close = 1e-3 if name.startswith("muon") else 1e-5
    for values, want in zip(got[0], wanted, strict=True):
        for kind in ("loss", "gradient_norm", "skipped_steps", "halted"):
            assert values[kind] == pytest.approx(want[kind], rel=close), kind


def test_adafactor_takes_pieces_of_unequal_size():
    first, *_ = processes.finish(processes.start(2, ["-m", "tests.training.adafactor_in_pieces"]))
    assert json.loads(first.splitlines()[-1]) == pytest.approx([0.0] * 4, abs=1e-6)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("kind", ["parameters", "means", "answering", "state"])
def test_what_is_kept_becomes_that_of_one_process(name, kind):
    got, want = of_two(name)[kind], alone(name)[kind]
    assert got == pytest.approx(want, rel=2e-3, abs=1e-5)
    assert kind != "answering" or got != of_two(name)["parameters"]
