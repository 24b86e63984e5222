from __future__ import annotations

import pytest

from mirasol.data.loader import Stage
from mirasol.experiment import TrainingData

CURRICULUM = TrainingData(
    stages=[Stage("parts", batches=300), Stage("pairs", batches=150), Stage("joint")], batch_size=2
)


@pytest.mark.parametrize(("steps", "lines"), [(451, 0), (450, 1), (301, 1), (300, 2), (1, 2)])
def test_stages_that_a_training_does_not_come_to_are_named(steps, lines):
    assert len(CURRICULUM.unreached(steps)) == lines


def test_the_line_about_such_a_stage_says_why():
    (line,) = CURRICULUM.unreached(450)
    assert line == (
        "stage 3 of 3 (task 'joint') is not reached: the stages before it take 450 batches, "
        "and TRAIN_STEPS is 450"
    )
