"""The memory that is told without taking any, against what a real step takes."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from mirasol import config
from mirasol.description.memory import step_memory
from tests.description import measuring

TINY = ("runs/av_shapes.gin",)
SMALL = (*TINY, "models/mirasol_small.gin", "data/frames_16.gin")
WITHIN = 0.15
CHECKPOINT = [(), ("Mirasol.checkpoint = True",)]


def told(files, bindings, examples):
    experiment = config.load(files, bindings).build()
    return experiment, step_memory(experiment, experiment.converter.shape, examples)


@pytest.mark.parametrize("bindings", CHECKPOINT, ids=["kept", "recomputed"])
def test_activations_are_what_the_allocator_gives_out(bindings, tmp_path):
    experiment, step = told(TINY, bindings, 8)
    measured = measuring.allocated_peak(experiment, 8, tmp_path)
    assert step.peak == pytest.approx(measured, rel=WITHIN)


@pytest.mark.slow
@pytest.mark.parametrize("bindings", CHECKPOINT, ids=["kept", "recomputed"])
@pytest.mark.parametrize(("files", "examples"), [(TINY, 32), (SMALL, 2)], ids=["tiny", "small"])
def test_activations_are_what_a_process_grows_by(files, examples, bindings):
    _, step = told(files, bindings, examples)
    script = [sys.executable, measuring.__file__, str(examples), *files, *bindings]
    process = subprocess.run(
        script,
        env={**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert process.returncode == 0, process.stderr
    assert step.peak == pytest.approx(int(process.stdout), rel=WITHIN)


def test_recomputation_takes_less_and_a_larger_batch_more():
    _, kept = told(TINY, (), 8)
    _, recomputed = told(TINY, ("Mirasol.checkpoint = True",), 8)
    _, larger = told(TINY, (), 16)
    assert recomputed.peak < kept.peak
    assert larger.peak == pytest.approx(2 * kept.peak, rel=0.05)


def test_everything_else_is_counted_exactly():
    experiment, step = told(TINY, (), 8)
    model = experiment.build_model()
    parameters = sum(4 * parameter.numel() for parameter in model.parameters())
    count = len(list(model.parameters()))
    assert step.parameters == step.gradients == parameters
    # Two moments, a step a parameter, a rate a group.
    assert step.optimizer == 2 * parameters + 4 * (count + 2)
    assert step.batch == 8 * sum(
        (
            4 * 8 * 32 * 32 * 3,  # Pictures.
            4 * 32 * 64 * 4,  # Sound.
            2 * 4,  # What is there of both.
            16 * (8 + 2) * 8,  # Tokens.
            16,  # Questions.
        )
    )
