"""A run that is killed or stopped again and again ends as the unbroken one, and loses nothing."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.runs.alike import require_alike

ROOT = Path(__file__).parents[2]
SCRIPT = "tests.runs.mortal_run"
PHASES = ["loading", "compiling", "training", "evaluating", "saving"]


def lives_of(root: Path, kills: int, stops: int, steps: int) -> list[dict]:
    """Has a run die so often, and then come to its end; returns what is told of each life."""
    subprocess.run(
        [sys.executable, "-m", SCRIPT, str(root), *map(str, (kills, stops, steps, 0))],
        cwd=ROOT,
        check=True,
        timeout=7200,
    )
    lives = [json.loads(line) for line in (root / "lives.jsonl").read_text().splitlines()]
    assert len(lives) == kills + stops
    assert not any("ended" in life for life in lives), "the run ended before its last death"
    return lives


def check_same_end(root: Path) -> None:
    """Checks that the mortal run left what the unbroken one did, bit for bit."""
    require_alike(root / "unbroken", root / "mortal")
    speed = (root / "mortal" / "speed.jsonl").read_text().splitlines()
    steps = [json.loads(line)["step"] for line in speed]
    assert steps == sorted(set(steps))


def check_nothing_lost(lives: list[dict]) -> None:
    """Checks that no complete checkpoint was lost, and that each life went on from the newest."""
    for number, life in enumerate(lives):
        known = life.get("before", [])[-2:] + life["told"][-2:]
        assert set(known) <= set(life["after"]), life
        if number and life["began_at"] is not None:
            assert life["began_at"] == lives[number - 1]["after"][-1]


def check_stops(lives: list[dict]) -> None:
    """Checks that each stop saved every step that was done, in time, and said so."""
    for life in lives:
        assert life["code"] == 143
        assert life["seconds"] < 30
        done = (life["began_at"] or 0) + life["steps_done"]
        if life["phase"] != "loading":  # It may be over before the run says where it goes on.
            assert max(life["after"], default=0) == done, life
        assert "stopped by SIGTERM" in life["said"]
        if life["steps_done"]:
            assert f"step {done} is saved in" in life["said"]


def test_killed_and_stopped_in_each_phase(tmp_path: Path):
    lives = lives_of(tmp_path, kills=3, stops=5, steps=32)
    check_nothing_lost(lives)
    assert any(life["in_save"] for life in lives[:3])
    check_stops(lives[3:])
    assert [life["phase"] for life in lives[3:]] == PHASES
    check_same_end(tmp_path)


@pytest.mark.slow
def test_killed_a_hundred_times(tmp_path: Path):
    lives = lives_of(tmp_path, kills=100, stops=0, steps=500)
    check_nothing_lost(lives)
    check_same_end(tmp_path)
    in_save = sum(life["in_save"] for life in lives)
    print(f"killed {len(lives)} times, {in_save} of them in a save")
    assert in_save >= 30


@pytest.mark.slow
def test_stopped_twenty_times_in_each_phase(tmp_path: Path):
    lives = lives_of(tmp_path, kills=0, stops=100, steps=300)
    check_nothing_lost(lives)
    check_stops(lives)
    check_same_end(tmp_path)
    for phase in PHASES:
        seconds = [life["seconds"] for life in lives if life["phase"] == phase]
        assert len(seconds) == 20
        print(f"{phase}: at most {max(seconds):.1f} s")
