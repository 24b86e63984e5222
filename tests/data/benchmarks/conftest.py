from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def root(tmp_path, monkeypatch) -> Path:
    """Returns an empty data root."""
    monkeypatch.setenv("MIRASOL_DATA", str(tmp_path))
    for policy in ("MIRASOL_BAD_ROWS", "MIRASOL_MISSING_MEDIA"):
        monkeypatch.delenv(policy, raising=False)
    return tmp_path
