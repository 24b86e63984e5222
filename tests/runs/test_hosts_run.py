"""The commands on two hosts under XLA, as far as one machine shows it: see tests/hosts.py."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest
import torch

from mirasol.checkpoint.manager import CheckpointManager
from tests import hosts, processes
from tests.runs.made_up import RUN

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("torch_xla") is None,
        reason="torch_xla is not installed (extra `xla`)",
    ),
]

STEPS = 7


def run(cwd: Path, count: int, *arguments: str) -> list[tuple[int, str, str]]:
    """Runs a command on so many hosts; returns of each exit code, stdout and stderr."""
    command = ["-m", "tests.runs.hosts_run", *arguments, "--runtime=xla"]
    running = processes.start(count, command, cwd=cwd, told=hosts.variables)
    told = [each.communicate(timeout=600) for each in running]
    return [(each.returncode, *said) for each, said in zip(running, told, strict=True)]


def train(cwd: Path, count: int, workdir: str, *first: str) -> list[tuple[int, str, str]]:
    flags = ("--gin_file=run.gin", f"--gin.TRAIN_STEPS={STEPS}", f"--workdir={workdir}")
    return run(cwd, count, *first, "train", *flags)


def state(workdir: Path) -> dict:
    return CheckpointManager(workdir / "checkpoints").read()


def losses(workdir: Path) -> list[float]:
    lines = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]
    return [line["loss"] for line in lines if "loss" in line]


@pytest.fixture(scope="module")
def cwd(tmp_path_factory) -> Path:
    """Holds `one` and `two`, the whole run on one host and on two."""
    folder = tmp_path_factory.mktemp("hosts")
    (folder / "run.gin").write_text(RUN)
    for count, workdir in ((1, "one"), (2, "two")):
        for code, _, error in (told := train(folder, count, workdir)):
            assert code == 0, error
        (folder / f"{workdir}.err").write_text("\n--\n".join(error for _, _, error in told))
    return folder


def require_same_state(one: Path, two: Path) -> None:
    want, got = state(one), state(two)
    assert got.keys() == want.keys()
    for name, value in want.items():
        assert torch.equal(got[name], value) if torch.is_tensor(value) else got[name] == value, name


def test_two_hosts_leave_the_files_of_one_and_one_of_them_speaks(cwd):
    assert losses(cwd / "two") == losses(cwd / "one")
    require_same_state(cwd / "one", cwd / "two")
    names = [
        sorted(str(path.relative_to(cwd / each)) for path in (cwd / each).rglob("*.json*"))
        for each in ("one", "two")
    ]
    assert names[0] == names[1]
    (answers,) = (cwd / "one" / "eval").glob("*predictions.jsonl")
    assert (cwd / "two" / "eval" / answers.name).read_text() == answers.read_text()
    told = (cwd / "two.err").read_text()
    assert told.count("2 hosts have met, this is host 0") == told.count("hosts have met") == 1
    assert told.count(f"step_{STEPS:08}\n") == 1, told


def test_a_signal_to_one_host_stops_both_at_one_step_and_they_go_on(cwd):
    stopped = train(cwd, 2, "broken", "--signal=5")
    assert [code for code, _, _ in stopped] == [143, 143], stopped
    told = "".join(error for _, _, error in stopped)
    assert told.count("stopped by SIGTERM: step 4 is saved in broken/checkpoints") == 1, told
    for code, _, error in train(cwd, 2, "broken"):
        assert code == 0, error
    require_same_state(cwd / "one", cwd / "broken")


def test_evaluations_are_those_of_one_host(cwd):
    for count, workdir in ((1, "one"), (2, "two")):
        told = run(cwd, count, "eval", f"--workdir={workdir}")
        assert [code for code, _, _ in told] == [0] * count, told
        (cwd / f"{workdir}.eval").write_text(told[0][1])
    assert (cwd / "two.eval").read_text() == (cwd / "one.eval").read_text().replace("one", "two")
