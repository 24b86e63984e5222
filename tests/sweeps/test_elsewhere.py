"""What is printed for machines elsewhere: commands that this one can parse."""

from __future__ import annotations

import json
import shlex
import subprocess
from pathlib import Path

import pytest

from mirasol.sweeps import elsewhere
from mirasol.sweeps.executors import SlurmExecutor
from mirasol.sweeps.planning import Planned
from tests.sweeps import scheduling

FOLDER = Path("workdirs/sweeps/a sweep")


@pytest.fixture
def named():
    """Two trials with their commands; one has a binding with quotes and a space in it."""
    trials = [
        Planned(
            id=f"abc{seed}",
            variant={"combiner": "ttm"},
            seed=seed,
            files=("runs/base.gin", "models/combiners/token_turing.gin"),
            bindings=("EvaluationPlan.tasks = ['a task']", f"SEED = {seed}"),
            spec=None,
            steps=4,
            sources={},
            meaning="",
        )
        for seed in (0, 1)
    ]
    return [(each, elsewhere.arguments(each, FOLDER, "cuda", each.id)) for each in trials]


def test_commands_are_lines_of_a_shell(named):
    lines = elsewhere.commands(named).splitlines()
    assert lines[::2] == ["# abc0 combiner=ttm seed 0", "# abc1 combiner=ttm seed 1"]
    assert shlex.split(lines[1]) == [
        *("python", "-m", "mirasol", "train", "--gin_file=runs/base.gin"),
        "--gin_file=models/combiners/token_turing.gin",
        "--gin.EvaluationPlan.tasks=['a task']",
        "--gin.SEED=0",
        "--workdir=workdirs/sweeps/a sweep/trials/abc0/workdir",
        "--runtime=cuda",
    ]


def test_trials_are_queued_as_an_array_that_is_warned_in_time(tmp_path, monkeypatch):
    for name, does in {"srun": "exit 1", "sbatch": 'cp "$1" "$0.given"; echo job 12'}.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{does}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    scheduling.plant(tmp_path, ["fine", "fine"])
    queue = SlurmExecutor(tmp_path / "jobs", 2, 120.5, {"time": 240, "partition": "gpu"})
    jobs = queue.submit_all(scheduling.attempts(tmp_path), tmp_path / "code")
    assert jobs == ["12_0", "12_1"]
    script = (tmp_path / "sbatch.given").read_text()
    asked = ("--array=0-1%2", "--time=240", "--partition=gpu", "--signal=USR2@151")
    assert [each for each in asked if f"#SBATCH {each}\n" not in script] == []


def test_what_cannot_be_queued_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ValueError, match='--executor=slurm: Could not detect "srun"'):
        SlurmExecutor(tmp_path / "jobs", 1, 120.0, {"time": 240})


def test_a_job_needs_time_before_it_is_warned(tmp_path):
    with pytest.raises(ValueError, match="--slurm=time=2: Slurm warns a trial 150 s before"):
        SlurmExecutor(tmp_path / "jobs", 1, 120.0, {"time": 2})
    with pytest.raises(
        ValueError, match=r"warns a trial 600 s before its time is over \(--slurm=sig"
    ):
        SlurmExecutor(tmp_path / "jobs", 1, 120.0, {"time": 10, "signal_delay_s": 600})


def test_another_signal_than_trials_listen_for_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("SUBMITIT_PREEMPT_SIGNAL", "USR1")
    with pytest.raises(ValueError, match="SUBMITIT_PREEMPT_SIGNAL=USR1: trials listen for USR2"):
        SlurmExecutor(tmp_path / "jobs", 1, 120.0, {"time": 240})


def test_the_slurm_script_runs_the_task_of_its_number(named, tmp_path):
    script = elsewhere.slurm_script("a-sweep", FOLDER, named, 3)
    assert "#SBATCH --array=0-1%3" in script
    assert f"#SBATCH --output='{Path.cwd()}/workdirs/sweeps/a sweep/slurm-%A_%a.txt'" in script
    assert f"#SBATCH --chdir={Path.cwd()}\n" in script
    assert "#SBATCH --signal=B:TERM@120" in script  # To the shell, which the training replaces.
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    python.chmod(0o755)
    variables = {"PATH": f"{tmp_path}:/usr/bin:/bin", "SLURM_ARRAY_TASK_ID": "1"}
    ran = subprocess.run(
        ["bash", "-c", script], env=variables, capture_output=True, text=True, check=True
    )
    assert ran.stdout.splitlines() == named[1][1][1:]


def test_the_manifest_has_a_job_for_each_trial(named):
    manifest = json.loads(elsewhere.kubernetes("A_sweep", named, "image:1"))
    assert [each["metadata"]["name"] for each in manifest["items"]] == [
        "a-sweep-abc0",
        "a-sweep-abc1",
    ]
    (job,) = manifest["items"][0]["spec"]["replicatedJobs"]
    (container,) = job["template"]["spec"]["template"]["spec"]["containers"]
    assert (container["command"], container["image"]) == (named[0][1], "image:1")
