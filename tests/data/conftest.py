"""One toy data set and one process with seqio for all tests of the data road.

TensorFlow stays out of the test process, which other tests share with torch_xla.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

# Also for spawned processes, which inherit it.
sys.path.insert(0, str(Path(__file__).parent))

from toy_media import write_media

from mirasol.data.task_service import TaskService


@pytest.fixture(scope="session")
def toy_root(tmp_path_factory) -> Path:
    """Returns a data root with the toy set's media."""
    root = tmp_path_factory.mktemp("data")
    (root / "toy").mkdir()
    write_media(root / "toy" / "long.mp4", frames=48)
    return root


@pytest.fixture(scope="session")
def service(toy_root):
    """A task service that knows the toy tasks."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MIRASOL_DATA", str(toy_root))
        opened = TaskService(("toy_tasks",))
        opened.check("toy_red", "train")
    with opened:
        yield opened


@pytest.fixture(scope="session")
def seqio_process(service):
    """Returns a function that runs another one, with its arguments, beside seqio."""
    return service._ask
