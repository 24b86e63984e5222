from __future__ import annotations

import sys
from pathlib import Path

import pytest

# Also for spawned processes, which inherit it.
for _folder in (Path(__file__).parent, Path(__file__).parents[1] / "benchmarks"):
    sys.path.insert(0, str(_folder))


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """An empty data root; the environment would make anything wrong fatal."""
    made = tmp_path_factory.mktemp("data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MIRASOL_DATA", str(made))
        patch.setenv("MIRASOL_BAD_ROWS", "error")
        patch.setenv("MIRASOL_MISSING_MEDIA", "error")
        yield made
