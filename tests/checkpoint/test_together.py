"""Two processes with one manager each: what one decides or meets, both know."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("together.py")
LIMIT_S = 120


@pytest.fixture(scope="module")
def seen(tmp_path_factory) -> list[dict]:
    """What each of them saw."""
    folder = tmp_path_factory.mktemp("together")
    running = [
        subprocess.Popen(
            [sys.executable, str(SCRIPT), str(folder)],
            env=os.environ | {"RANK": rank},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in "01"
    ]
    told = [process.communicate(timeout=LIMIT_S)[1] for process in running]
    for process, stderr in zip(running, told, strict=True):
        assert process.returncode == 0, stderr
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in "01"]


@pytest.mark.parametrize("rank", [0, 1])
def test_saved_pruned_and_restored_together(seen: list[dict], rank: int):
    found = seen[rank]
    assert found["steps"] == [2, 3]
    assert not found["other"]
    assert found["restored"] == [2, True]
    assert found["goes on alike"]
    assert found["in the end"] == [2, 3]
    assert found["read alone"]


ERRORS = {
    "there already": r"CheckpointError: .*step_00000003 is complete already",
    "refused": r"CheckpointError: cannot save .*No space left on device \(disk of rank 1\)",
    "refused before": r"CheckpointError: the save of step 4 failed: .*disk of rank 1",
    "misfit": r"CheckpointError: .*missing in the checkpoint: more",
    "damaged": r"DamagedCheckpointError: .*cannot read array 'model.weight'",
}


@pytest.mark.parametrize("name", ERRORS)
def test_an_error_of_one_is_raised_in_both(seen: list[dict], name: str):
    for found in seen:
        assert re.match(ERRORS[name], found[name], re.DOTALL), found[name]


def test_older_checkpoints_are_untouched_by_a_save_that_failed_in_one(seen: list[dict]):
    assert [found["left"] for found in seen] == [["step_00000002", "step_00000003"]] * 2
