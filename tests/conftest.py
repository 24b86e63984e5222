"""How `make test` shares the tests among processes: by file, the command-line runs together."""

from __future__ import annotations

from pathlib import Path

import pytest

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items):
    """Names each test's group: what is in one group is run by one process, one after another.

    A file's fixtures are then made once, and so is the run that all tests of tests/runs look at.
    """
    for item in items:
        folder, *_ = item.path.relative_to(HERE).parts
        group = folder if folder == "runs" else str(item.path)
        item.add_marker(pytest.mark.xdist_group(group))
