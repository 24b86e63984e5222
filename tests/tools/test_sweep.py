"""The command: what needs no plan, mistakes, and where trials run."""

from __future__ import annotations

import argparse
import dataclasses
import platform
import runpy
from pathlib import Path
from typing import get_args

import pytest

from mirasol.sweeps import locks, options, records
from mirasol.sweeps.planning import Planned
from mirasol.sweeps.reporting.reading import of_sweep
from mirasol.sweeps.submission import Chosen
from tests.sweeps.reporting import made_up

TOOL = runpy.run_path(str(Path(__file__).parents[2] / "tools/sweep.py"))
main = TOOL["main"]


@pytest.fixture
def sweep(tmp_path) -> Path:
    return made_up.write_synthetic(tmp_path / "combiner", made_up.synthetic_rows())


def test_the_status_is_told_from_the_files(sweep, capsys):
    assert main(["--status", f"--folder={sweep}"]) == 0
    said = capsys.readouterr().out
    assert "12 trials: 0 pending, 0 running, 12 done" in said
    folder = records.trial_folder(sweep, "transformer-1")
    failed = dataclasses.replace(
        records.read_trial(folder), state="failed", reason="it hangs", error="one\ntwo", attempts=2
    )
    records.write_trial(folder, dataclasses.replace(failed, stale_files=["mirasol/a.py"]))
    assert main(["--status", f"--folder={sweep}"]) == 1
    said = capsys.readouterr().out
    for text in (
        "failed (attempt 2)",
        "it hangs",
        "    two",
        "stale: mirasol/a.py",
        "11 done, 1 f",
    ):
        assert text in said


def test_what_was_cut_off_is_told_from_what_runs(sweep, capsys):
    folder = records.trial_folder(sweep, "transformer-1")
    running = dataclasses.replace(records.read_trial(folder), state="running", host=platform.node())
    records.write_trial(folder, running)
    with locks.held(folder):
        assert main(["--status", f"--folder={sweep}"]) == 0
    assert "cut off" not in capsys.readouterr().out
    assert main(["--status", f"--folder={sweep}"]) == 0
    said = capsys.readouterr().out
    assert "cut off: give the command again" in said
    assert "1 running, 11 done, 0 failed, 0 stopped; 1 cut off; in " in said
    # The locks of another machine may not be seen here.
    records.write_trial(folder, dataclasses.replace(running, host="another"))
    assert main(["--status", f"--folder={sweep}"]) == 0
    assert "cut off" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "a sweep needs --gin_file="),
        (["--gin_file=ablations/combiner.gin", "--jobs=0"], "--jobs=0; it must be 1 or more"),
        (["--gin_file=a.gin", "--devices=0,,1"], "--devices=0,,1 has an empty name"),
        (["--gin_file=a.gin", "--devices="], "--devices= has an empty name"),
        (["--gin_file=a.gin", "--devices=0,1", "--jobs=2"], "one trial runs on each device"),
        (["--gin_file=a.gin", "--slurm=gpu"], "--slurm=gpu; it must be NAME=VALUE"),
        (["--gin_file=a.gin", "--slurm=a=b"], "--slurm=a=b without --executor=slurm"),
        (["--gin_file=a.gin", "--executor=slurm"], "needs --slurm=time=240, say: whole minutes"),
        (["--gin_file=a.gin", "--executor=slurm", "--slurm=tme=9"], "is 'tme' to be it?"),
        (["--gin_file=a.gin", "--executor=slurm", "--slurm=time=4:00"], "are five), not '4:00'"),
        (
            [
                "--gin_file=a.gin",
                "--executor=slurm",
                "--slurm=time=9",
                "--slurm=array_parallelism=4",
            ],
            "--jobs says how many",
        ),
        (["--gin_file=a.gin", "--runtime=gpu"], "no runtime 'gpu' (--runtime takes auto, cpu,"),
        (["--gin_file=a.gin", "--status", "--dry_run"], "--status beside --dry_run"),
        (
            ["--gin_file=a.gin", "--dry_run", "--print_commands"],
            "--dry_run beside --print_commands",
        ),
        (
            ["--gin_file=a.gin", "--slurm_script=b", "--devices=0"],
            "--devices beside --slurm_script",
        ),
        (["--gin_file=a.gin", "--image=b"], "--image=b without --xpk_manifest=FILE"),
        (
            ["--gin_file=a.gin", "--executor=slurm", "--devices=0"],
            "--devices beside --executor=slurm",
        ),
        (
            ["--gin_file=a.gin", "--executor=slurm", "--print_commands"],
            "--executor=slurm beside --print_commands",
        ),
        (
            ["--gin_file=a.gin", "--executor=slurm", "--slurm_script=b.sh"],
            "--executor=slurm beside --slurm_script",
        ),
        (["--status", "--folder=nowhere"], "nowhere holds no sweep"),
        (["--gin_file=ablations/combinr.gin"], "did you mean 'ablations/combiner.gin'"),
        (["--gin_file=runs/av_shapes.gin"], "no sweep; a sweep binds plan.Sweep"),
        (["--gin_file=ablations/combiner.gin", "--gin.Sweep.seed=[1]"], "did you mean 'seeds'"),
        (["--gin_file=ablations/combiner.gin", "--gin.TRAIN_STEPS=9"], "one of Sweep.bindings"),
    ],
)
def test_mistakes_are_told(arguments, said, capsys):
    assert main(arguments) == 2
    assert said in capsys.readouterr().err


def test_two_files_of_one_name_do_not_share_a_folder(tmp_path, monkeypatch, capsys):
    folder = made_up.write_synthetic(
        tmp_path / "workdirs/sweeps/combiner", made_up.synthetic_rows()
    )
    sweep = records.read_sweep(folder)
    files = ["ablations/combiner.gin"]
    records.write_sweep(folder, dataclasses.replace(sweep, gin_files=files))
    own = tmp_path / "my/combiner.gin"
    own.parent.mkdir()
    own.write_text("# Another sweep.\n")
    monkeypatch.chdir(tmp_path)
    assert main(["--status", f"--gin_file={files[0]}"]) == 0
    assert main(["--status", f"--gin_file=gin/{files[0]}"]) == 2  # Which is not there.
    assert main(["--status", "--gin_file=my/combiner.gin"]) == 2
    said = "combiner holds the sweep of ablations/combiner.gin, not of my/combiner.gin; name a"
    assert said in capsys.readouterr().err
    assert main(["--status", "--gin_file=my/combiner.gin", f"--folder={folder}"]) == 0


def test_trials_beside_the_plan_are_told(sweep, capsys):
    plan = records.read_sweep(sweep)
    records.write_sweep(sweep, dataclasses.replace(plan, trials=plan.trials[:1]))
    assert main(["--status", f"--folder={sweep}"]) == 0
    said = capsys.readouterr().out
    assert "1 trials: " in said
    assert "and 11 trials of other plans or code lie there" in said
    assert of_sweep(sweep).facts["Beside the plan"] == "11 trials of other plans or code"


def test_what_has_ended_or_is_worked_on_is_not_left(sweep):
    def is_left(record):
        return TOOL["_is_left"](sweep, Chosen(None, record))

    record = records.read_trials(sweep)[0]
    states = {each: dataclasses.replace(record, state=each) for each in get_args(records.State)}
    left = [state for state, each in states.items() if is_left(each)]
    assert left == ["pending", "running", "failed"]
    with locks.held(records.trial_folder(sweep, record.id)) as lock:
        assert lock is not None
        assert not is_left(states["running"])


def test_a_command_for_elsewhere_does_not_go_on_with_a_trial_of_other_code(sweep):
    record = dataclasses.replace(records.read_trials(sweep)[0], state="failed")
    trial = Planned(
        id="of-now",
        variant={"combiner": "ttm"},
        seed=0,
        files=(),
        bindings=(),
        spec=None,
        steps=4,
        sources={},
        meaning="",
    )
    command = object.__new__(TOOL["_Command"])
    command.folder = sweep
    command.given = argparse.Namespace(stale="keep", print_commands=True)
    command.found = [Chosen(trial, record, ("mirasol/a.py",))]
    with pytest.raises(ValueError, match=rf"{record.id} combiner=ttm began with other code"):
        command._elsewhere()
    # One that has ended is not gone on with.
    ended = dataclasses.replace(record, state="done")
    command.found = [Chosen(trial, ended, ("mirasol/a.py",))]
    assert command._elsewhere() == 0


def test_places_have_their_device_and_their_share_of_the_cores(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    # Of more cores, those that this process may use.
    monkeypatch.setattr("os.cpu_count", lambda: 64)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(8)))
    slots = TOOL["_slots"]
    assert slots("0,1", 1) == [
        {"CUDA_VISIBLE_DEVICES": "0", "OMP_NUM_THREADS": "4"},
        {"CUDA_VISIBLE_DEVICES": "1", "OMP_NUM_THREADS": "4"},
    ]
    assert slots(None, 4) == [{"CUDA_VISIBLE_DEVICES": "3", "OMP_NUM_THREADS": "2"}] * 4


def test_parameters_of_slurm_are_numbers_where_they_look_like_it():
    given = ["partition=gpu", "gpus_per_node=2", "comment=a=b"]
    assert options._parameters(given) == {
        "partition": "gpu",
        "gpus_per_node": 2,
        "comment": "a=b",
    }
