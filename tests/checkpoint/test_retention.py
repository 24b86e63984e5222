from pathlib import Path

import pytest
import torch

from mirasol.checkpoint.manager import CheckpointManager
from mirasol.checkpoint.retention import Retention


@pytest.mark.parametrize(
    ("keep", "keep_every", "protected", "gone"),
    [
        (2, None, [], [100, 200, 300, 400]),
        (1, 200, [], [100, 300, 500]),
        (2, 300, [100], [200, 400]),
        (9, None, [], []),
    ],
)
def test_what_may_go(keep, keep_every, protected, gone):
    steps = [100, 200, 300, 400, 500, 600]
    assert Retention(keep, keep_every).superseded(steps, protected) == gone


def test_a_number_below_1_is_refused():
    with pytest.raises(ValueError, match=r"Retention\.keep is 0; it must be a whole number"):
        Retention(0)
    with pytest.raises(ValueError, match=r"Retention\.keep_every is 0; it must be a whole number"):
        Retention(1, 0)


def test_a_manager_keeps_them_and_whatever_else_there_is(tmp_path: Path):
    manager = CheckpointManager(tmp_path, keep=1, keep_every=4)
    (tmp_path / "notes").mkdir()
    for step in range(1, 8):
        manager.save(step, {"w": torch.ones(2)}, protect=[3])
    assert manager.steps() == [3, 4, 7]
    manager.save(8, {"w": torch.ones(2)})
    assert manager.steps() == [4, 8]
    assert (tmp_path / "notes").is_dir()
