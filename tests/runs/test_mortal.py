"""A run that is killed or stopped again and again ends as the unbroken one, and loses nothing."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from mirasol.checkpoint.manager import CheckpointManager

ROOT = Path(__file__).parents[2]
SCRIPT = Path(__file__).with_name("mortal_run.py")
PHASES = ["loading", "compiling", "training", "evaluating", "saving"]


def lives_of(mode: str, root: Path, count: int, steps: int, seed: int = 0) -> list[dict]:
    """Has a run die `count` times; returns what is told of each life."""
    subprocess.run(
        [sys.executable, str(SCRIPT), mode, str(root), *map(str, (count, steps, seed))],
        cwd=ROOT,
        check=True,
        timeout=7200,
    )
    lives = [json.loads(line) for line in (root / f"{mode}.jsonl").read_text().splitlines()]
    assert len(lives) == count
    assert not any("ended" in life for life in lives), "the run ended before its last death"
    return lives


def check_same_end(root: Path, mode: str) -> None:
    """Checks that the broken run left what the unbroken one did, bit for bit."""
    files = [(root / name / "metrics.jsonl").read_bytes() for name in ("unbroken", mode)]
    assert files[0] == files[1]
    want, got = (
        CheckpointManager(root / name / "checkpoints").read() for name in ("unbroken", mode)
    )
    assert got.keys() == want.keys()
    for name, value in want.items():
        if isinstance(value, torch.Tensor):
            assert torch.equal(got[name], value), name
        else:
            assert got[name] == value, name
    speed = (root / mode / "speed.jsonl").read_text().splitlines()
    steps = [json.loads(line)["step"] for line in speed]
    assert steps == sorted(set(steps))


def check_kills(root: Path, count: int, steps: int) -> list[dict]:
    """Checks that no complete checkpoint was lost and that each life went on from the newest."""
    lives = lives_of("kills", root, count, steps)
    for life, before in zip(lives[1:], lives, strict=False):
        assert set(life["before"][-2:] + life["told"][-2:]) <= set(life["after"])
        if life["began_at"] is not None:
            assert life["began_at"] == before["after"][-1]
    check_same_end(root, "kills")
    return lives


def check_stops(root: Path, count: int, steps: int) -> list[dict]:
    """Checks that each stop saved every step that was done, in time, and said so."""
    lives = lives_of("stops", root, count, steps)
    for life in lives:
        assert life["code"] == 143
        assert life["seconds"] < 30
        done = life["began_at"] + life["steps_done"]
        assert max(life["after"], default=0) == done
        assert "stopped by SIGTERM" in life["said"]
        if life["steps_done"]:
            assert f"step {done} is saved in" in life["said"]
    check_same_end(root, "stops")
    return lives


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    """Where the short tests find the same unbroken run."""
    return tmp_path_factory.mktemp("mortal")


def test_killed_a_few_times(root: Path):
    lives = check_kills(root, count=3, steps=22)
    assert any(life["in_save"] for life in lives)


def test_stopped_once_in_each_phase(root: Path):
    assert [life["phase"] for life in check_stops(root, count=5, steps=22)] == PHASES


@pytest.mark.slow
def test_killed_a_hundred_times(tmp_path: Path):
    lives = check_kills(tmp_path, count=100, steps=1200)
    in_save = sum(life["in_save"] for life in lives)
    print(f"killed {len(lives)} times, {in_save} of them in a save")
    assert in_save >= 30


@pytest.mark.slow
def test_stopped_twenty_times_in_each_phase(tmp_path: Path):
    lives = check_stops(tmp_path, count=100, steps=600)
    for phase in PHASES:
        seconds = [life["seconds"] for life in lives if life["phase"] == phase]
        assert len(seconds) == 20
        print(f"{phase}: at most {max(seconds):.1f} s")
