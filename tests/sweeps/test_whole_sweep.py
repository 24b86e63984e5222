"""A sweep of real trainings by the real command: killed ten times, two trials killed once.

Against the same sweep undisturbed: the same trials, trained as often as must be, the same table.
"""

from __future__ import annotations

import contextlib
import csv
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mirasol.sweeps.records import (
    TrialRecord,
    all_trials,
    read_trial,
    read_trials,
    trial_folder,
)
from mirasol.sweeps.scores import metrics_at, newest
from mirasol.workdirs import last_start
from tests.sweeps.test_scheduler import wait_until

ROOT = Path(__file__).parents[2]
STEPS, TRIALS = 4, 12
SWEEP = f"""
from __gin__ import dynamic_registration
from mirasol.sweeps import plan

plan.Sweep:
    hypothesis = 'Four steps teach nothing.'
    base = ['runs/av_shapes_tiny.gin']
    bindings = ['TRAIN_STEPS = {STEPS}', 'WARMUP_STEPS = 1', 'CHECKPOINT_EVERY = 2',
                'EVAL_EVERY = 2', 'EVAL_CLIPS = 2']
    axes = [@combiner/plan.Axis(), @width/plan.Axis()]
    plan = @plan.Grid()
    seeds = [0, 1, 2]
    metrics = ['av_shapes_tiny_joint/accuracy', 'av_shapes_tiny_joint/accuracy/order']
    baseline = {{'combiner': 'transformer', 'width': '96'}}

combiner/plan.Axis:
    name = 'combiner'
    labels = {{'transformer': [], 'token_turing': ['models/combiners/token_turing.gin']}}

width/plan.Axis:
    name = 'width'
    labels = {{'96': [], '48': ['WIDTH = 48']}}
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("sweep")
    (folder / "tiny.gin").write_text(SWEEP)
    # The set is made once, and not by twelve trials at a time.
    run(folder, "-m", "mirasol", "check", "--gin_file=runs/av_shapes_tiny.gin")
    return folder


def command(folder: Path, *words: str) -> subprocess.Popen:
    variables = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    log = (folder / "commands.txt").open("a")
    with log:
        return subprocess.Popen(
            [sys.executable, *words], cwd=folder, stdout=log, stderr=log, env=os.environ | variables
        )


def run(folder: Path, *words: str) -> None:
    assert command(folder, *words).wait(timeout=1800) == 0, (folder / "commands.txt").read_text()


def sweep(folder: Path, name: str) -> list[str]:
    runtime = ("--jobs=2", "--runtime=cpu")
    return [str(ROOT / "tools/sweep.py"), "--gin_file=tiny.gin", f"--folder={name}", *runtime]


def table(folder: Path, name: str) -> list[dict[str, str]]:
    run(folder, str(ROOT / "tools/report.py"), name, "--clips=0")
    with (folder / name / "report/table.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [{key: text for key, text in row.items() if "seconds" not in key} for row in rows]


def steps_taken(folder: Path) -> int:
    return sum(newest(each)[0] for each in folder.glob("trials/*/workdir"))


def kill_a_trial(folder: Path, spared: set[str]) -> str | None:
    """Kills the process of a trial in its first attempt, if there is one; returns its id."""
    for record in all_trials(folder):
        if record.state == "running" and record.process and record.id not in spared:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(record.process, signal.SIGKILL)
                inside = trial_folder(folder, record.id)
                dead = record.process
                wait_until(lambda inside=inside, dead=dead: read_trial(inside).process != dead)
                # It may have ended well a moment before.
                return record.id if read_trial(inside).state != "done" else None
    return None


def disturbed(place: Path, name: str) -> set[str]:
    """Runs the sweep with ten schedulers killed; returns the trials that were killed once."""
    draw, killed = random.Random(7), set[str]()
    moments = sorted(draw.sample(range(STEPS * (TRIALS - 1)), 10))
    for number, moment in enumerate(moments):
        scheduler = command(place, *sweep(place, name))
        while steps_taken(place / name) < moment:
            assert scheduler.poll() is None, (place / "commands.txt").read_text()
            time.sleep(0.2)
        time.sleep(draw.uniform(0.0, 8.0))
        if number >= 2 and len(killed) < 2 and (trial := kill_a_trial(place / name, killed)):
            killed.add(trial)
        scheduler.kill()
        scheduler.wait()
    run(place, *sweep(place, name))
    return killed


@pytest.mark.slow  # Some twenty-four trainings and twelve plans: a quarter of an hour.
def test_a_sweep_that_is_killed_ten_times_ends_as_one_that_is_not(place):
    killed = disturbed(place, "killed")
    run(place, *sweep(place, "undisturbed"))
    records = read_trials(place / "killed")
    assert len(killed) == 2
    assert [each.id for each in records] == [each.id for each in read_trials(place / "undisturbed")]
    for record in records:
        assert isinstance(record, TrialRecord)
        assert (record.state, record.exit_code) == ("done", 0)
        # Neither trained twice, nor beside itself.
        assert record.attempts == (2 if record.id in killed else 1), record
        here, there = (place / name / "trials" / record.id for name in ("killed", "undisturbed"))
        assert metrics_at(here / "workdir", STEPS) == metrics_at(there / "workdir", STEPS)
        assert (
            last_start(here / "workdir")["operative"] == last_start(there / "workdir")["operative"]
        )
    assert len({each.id for each in records}) == TRIALS
    assert table(place, "killed") == table(place, "undisturbed")
