"""Two workdirs that must hold the same."""

from __future__ import annotations

from pathlib import Path

import torch

from mirasol.checkpoint.manager import CheckpointManager
from mirasol.training.writers import METRICS


def require_alike(want: Path, got: Path) -> None:
    """Checks that two runs left the same metrics and the same newest checkpoint, bit for bit."""
    assert (got / METRICS).read_bytes() == (want / METRICS).read_bytes()
    expected, found = (CheckpointManager(each / "checkpoints").read() for each in (want, got))
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        if isinstance(value, torch.Tensor):
            assert torch.equal(found[name], value), name
        else:
            assert found[name] == value, name
