"""A run that is killed goes on as if nothing had happened."""

import os
import re
import signal
import time

import pytest

from mirasol.checkpoint.manager import CheckpointManager
from tests.runs import command
from tests.runs.alike import require_alike
from tests.runs.conftest import TINY


def wait_for_step(workdir, process, step, saved=0, limit_s=300):
    """Waits for a line of the step, and for a checkpoint, which a thread writes meanwhile."""
    checkpoint = workdir / "checkpoints" / f"step_{saved:08d}"
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        assert process.poll() is None, "the run ended before it could be killed"
        is_saved = not saved or checkpoint.is_dir()
        if is_saved and any(line["step"] >= step for line in command.lines(workdir)):
            return
        time.sleep(0.01)
    raise AssertionError(f"no step {step} within {limit_s} s")


def test_kill_and_the_same_command_give_the_same_parameters_bit_for_bit(unbroken, tmp_path):
    workdir = tmp_path / "workdir"
    arguments = ("train", TINY, f"--workdir={workdir}")
    process = command.start(*arguments, data=unbroken.data, cwd=tmp_path)
    wait_for_step(workdir, process, 13, saved=10)
    process.kill()
    process.wait()
    killed_at = command.lines(workdir)[-1]["step"]
    assert 13 <= killed_at < 20
    assert CheckpointManager(workdir / "checkpoints").latest_step() == 10

    again = command.run(*arguments, data=unbroken.data, cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    require_alike(unbroken.workdir, workdir)


@pytest.mark.slow
def test_a_signal_to_all_processes_saves_and_makes_no_noise(unbroken, tmp_path):
    """As schedulers send it, and a terminal its Ctrl-C: the data workers get it, too."""
    workdir = tmp_path / "workdir"
    arguments = ("train", TINY, f"--workdir={workdir}", "--gin.TRAIN_STEPS=2000")
    for number, code in [(signal.SIGTERM, 143), (signal.SIGINT, 130)]:
        before = len(command.lines(workdir))
        with (tmp_path / "stderr").open("w") as stderr:
            process = command.start(*arguments, data=unbroken.data, cwd=tmp_path, stderr=stderr)
            wait_for_step(workdir, process, before + 3)
            os.killpg(process.pid, number)
            assert process.wait(timeout=60) == code
        said = (tmp_path / "stderr").read_text()
        assert "Traceback" not in said
        (step,) = re.findall(rf"stopped by {number.name}: step (\d+) is saved in", said)
        assert CheckpointManager(workdir / "checkpoints").latest_step() == int(step)
        assert command.lines(workdir)[-1]["step"] == int(step)
