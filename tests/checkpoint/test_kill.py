"""Whenever a saving process is killed, what was complete stays, and nothing is in the way."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from mirasol.checkpoint.manager import CheckpointManager
from tests.checkpoint.dying_saver import state_of

SCRIPT = Path(__file__).with_name("dying_saver.py")


def kill_savers(root: Path, mode: str, *numbers: float) -> list[Path]:
    command = [sys.executable, str(SCRIPT), mode, str(root), *map(str, numbers)]
    subprocess.run(command, check=True, timeout=1200)
    return sorted(root.glob("[0-9][0-9][0-9]"))


def check_survivor(folder: Path) -> int:
    """Checks what a killed saver left; returns the newest complete step."""
    manager = CheckpointManager(folder)
    latest = manager.latest_step()
    assert latest is not None
    assert latest >= 2
    for step in manager.steps():
        state = state_of(0)
        manager.restore(state, step)
        expected = state_of(step)
        assert state["step"] == step
        assert all(torch.equal(state["model"][k], expected["model"][k]) for k in state["model"])
    manager.save(latest + 1, state_of(latest + 1))
    names = [f"step_{step:08d}" for step in (latest, latest + 1)]
    assert sorted(path.name for path in folder.iterdir()) == names
    return latest


def test_killed_between_the_lines_of_a_save(tmp_path: Path):
    folders = kill_savers(tmp_path, "lines", 12)
    left = [{path.name.partition("-")[0] for path in folder.iterdir()} for folder in folders]
    assert any("step_00000003.incomplete" in names for names in left)
    assert any("step_00000001.incomplete" in names or len(names) == 2 for names in left)
    assert {check_survivor(folder) for folder in folders} == {2, 3}


def test_killed_at_any_time(tmp_path: Path):
    folders = kill_savers(tmp_path, "times", 0.05, 0.11, 0.23, 0.31)
    assert len([check_survivor(folder) for folder in folders]) == 4


@pytest.mark.slow
def test_killed_at_two_hundred_lines_of_a_save(tmp_path: Path):
    folders = kill_savers(tmp_path, "lines", 200)
    assert {check_survivor(folder) for folder in folders} == {2, 3}


@pytest.mark.slow
def test_killed_at_a_hundred_times(tmp_path: Path):
    folders = kill_savers(tmp_path, "times", *[0.02 + 0.00371 * i for i in range(100)])
    assert max(check_survivor(folder) for folder in folders) > 3
