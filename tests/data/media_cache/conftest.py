from __future__ import annotations

import sys
from pathlib import Path

import pytest
from toy_media import write_media

sys.path.insert(0, str(Path(__file__).parent))  # Also for spawned processes.


@pytest.fixture
def media(tmp_path, monkeypatch):
    """A clip in an empty data root."""
    monkeypatch.setenv("MIRASOL_DATA", str(tmp_path))
    return write_media(tmp_path / "clip.mp4")
