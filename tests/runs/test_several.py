"""The commands under torchrun: one run of several processes, on made-up data."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from mirasol.checkpoint.manager import CheckpointManager
from tests.processes import ROOT
from tests.runs.made_up import RUN

pytestmark = pytest.mark.slow

STEPS = 10
CLOSE = {"loss", "text_loss", "latent_loss", "reconstruction_loss", "gradient_norm"}


def run(cwd: Path, count: int, *arguments: str) -> subprocess.CompletedProcess:
    """Runs a command in so many processes; one of them is none of torchrun's."""
    start = ["-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={count}"]
    return subprocess.run(
        [sys.executable, *(start if count > 1 else []), "-m", "tests.runs.several_run", *arguments],
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def train(cwd: Path, count: int, workdir: str, *first: str, more: tuple[str, ...] = ()):
    return run(
        cwd,
        count,
        *first,
        *("train", "--gin_file=run.gin", "--runtime=cpu", f"--gin.TRAIN_STEPS={STEPS}"),
        f"--workdir={workdir}",
        *more,
    )


def lines(workdir: Path) -> list[dict]:
    return [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]


def state(workdir: Path) -> dict:
    return CheckpointManager(workdir / "checkpoints").read()


@pytest.fixture(scope="module")
def cwd(tmp_path_factory) -> Path:
    """Holds `one` and `two`, the whole run by one process and by two."""
    folder = tmp_path_factory.mktemp("several")
    fixed = RUN.replace("DROPOUT = 0.1", "DROPOUT = 0.0\nMASK_RATIO = 0.0")
    (folder / "run.gin").write_text(fixed.replace("BATCH_SIZE = 2", "BATCH_SIZE = 4"))
    for count, workdir in ((1, "one"), (2, "two")):
        finished = train(folder, count, workdir)
        assert finished.returncode == 0, finished.stderr
        (folder / f"{workdir}.out").write_text(finished.stdout)
    return folder


def require_close(got: list[dict], want: list[dict]) -> None:
    assert [(line["step"], line["split"]) for line in got] == [
        (line["step"], line["split"]) for line in want
    ]
    for line, wanted in zip(got, want, strict=True):
        assert line.keys() == wanted.keys()
        for name in line.keys() & (CLOSE | {"num", "broken_media"}):
            assert line[name] == pytest.approx(wanted[name], rel=1e-4), (line["step"], name)


def test_two_processes_leave_the_files_of_one(cwd):
    require_close(lines(cwd / "two"), lines(cwd / "one"))
    names = [
        sorted(str(path.relative_to(cwd / each)) for path in (cwd / each).rglob("*.json*"))
        for each in ("one", "two")
    ]
    assert names[0] == names[1]
    (answers,) = (cwd / "one" / "eval").glob("*predictions.jsonl")
    assert (cwd / "two" / "eval" / answers.name).read_text() == answers.read_text()
    assert len(json.loads((cwd / "two" / "provenance.json").read_text())["starts"]) == 1
    # Only one process speaks, and gloo does not.
    assert (cwd / "two.out").read_text() == (cwd / "one.out").read_text().replace("one", "two")


def test_a_signal_to_one_process_stops_all_at_one_step_and_they_go_on(cwd):
    stopped = train(cwd, 2, "broken", "--signal=7")
    assert stopped.returncode != 0
    told = "stopped by SIGTERM: step 6 is saved in broken/checkpoints"
    assert stopped.stderr.count(told) == 1, stopped.stderr
    assert stopped.stderr.count("saving what is trained") <= 1
    assert CheckpointManager(cwd / "broken" / "checkpoints").latest_step() == 6
    for count in (1, 4):
        shutil.copytree(cwd / "broken", cwd / f"broken_{count}")
    for count, workdir in ((2, "broken"), (1, "broken_1"), (4, "broken_4")):
        finished = train(cwd, count, workdir)
        assert finished.returncode == 0, finished.stderr
        assert "Going on from step 6" in finished.stderr
        require_close(lines(cwd / workdir), lines(cwd / "two"))
    want, got = state(cwd / "two"), state(cwd / "broken")
    assert got.keys() == want.keys()
    for name, value in want.items():
        assert torch.equal(got[name], value) if torch.is_tensor(value) else got[name] == value, name


def test_a_failure_in_one_process_ends_all_and_is_told_once(cwd):
    failed = train(cwd, 2, "failed", "--fail=6")
    assert failed.returncode != 0
    # Its own traceback, and perhaps torchrun's report of it.
    assert failed.stderr.count('raise RuntimeError("it is made up")') in (1, 2)
    assert failed.stderr.count("]: Traceback") == 1
    assert "Connection closed" not in failed.stderr


def test_a_mistake_is_told_once(cwd):
    wrong = train(cwd, 2, "wrong", more=("--gin.Trainer.microbatches=3",))
    assert wrong.stderr.count("cannot be cut into equal pieces") == 1, wrong.stderr
    assert not (cwd / "wrong").exists()
    named = train(cwd, 2, "wrong", more=("--gin.TRAIN_STEP=3",))
    assert named.stderr.count("mirasol: ") == 1, named.stderr


def test_evaluations_are_those_of_one_process(cwd):
    for count, workdir in ((1, "one"), (2, "two")):
        asked = run(cwd, count, "eval", f"--workdir={workdir}", "--runtime=cpu")
        assert asked.returncode == 0, asked.stderr
        (cwd / f"{workdir}.eval").write_text(asked.stdout)
    assert (cwd / "two.eval").read_text() == (cwd / "one.eval").read_text().replace("one", "two")
