from __future__ import annotations

from pathlib import Path

import pytest

from mirasol.data.av_shapes.maker import ensure_made
from mirasol.data.av_shapes.spec import AVShapes
from mirasol.sweeps.reporting.costs import ModelCost
from tests.sweeps.reporting import made_up

SPEC = AVShapes(name="av_shapes_tiny", chunks=4, events=4, train=1, validation=8, test=1)


@pytest.fixture
def synthetic(tmp_path) -> Path:
    """A sweep of made-up clips in which every trial is done."""
    return made_up.write_synthetic(tmp_path / "combiner", made_up.synthetic_rows())


@pytest.fixture(scope="session")
def real(tmp_path_factory) -> Path:
    """A sweep over clips that can be seen and heard, with one trial failed and one not begun."""
    folder = tmp_path_factory.mktemp("real")
    data = ensure_made(SPEC, folder / "data", processes=1)
    made_up.write_real(folder / "combiner", made_up.question_rows(data))
    return folder / "combiner"


@pytest.fixture(scope="session")
def cost():
    """A cost for each variant, by the length of its name."""

    def told(variant) -> ModelCost:
        size = len(variant.name)
        return ModelCost(1000 * size, 10**6 * size, 10**8 * size, 2 * 10**8 * size)

    return told
