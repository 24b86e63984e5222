"""A run that goes on somewhere else: from four XLA devices to the CPU, and back."""

import importlib.util
import shutil

import pytest

from tests.runs import command
from tests.runs.conftest import DETERMINISTIC, TINY, finish

ARGUMENTS = (TINY, DETERMINISTIC, "--gin_file=overlays/tiny.gin", "--gin.BATCH_SIZE=4")


def losses(workdir):
    return [line["loss"] for line in command.lines(workdir) if line["split"] == "train"]


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("torch_xla") is None, reason="needs torch_xla")
@pytest.mark.parametrize(("first", "second"), [("xla", "cpu"), ("cpu", "xla")])
def test_a_run_goes_on_where_there_are_other_devices(first, second, data, tmp_path, monkeypatch):
    monkeypatch.setenv("CPU_NUM_DEVICES", "4")
    whole = finish(data, tmp_path, *ARGUMENTS, f"--runtime={first}")
    workdir = tmp_path / "elsewhere"
    shutil.copytree(whole.workdir, workdir)
    shutil.rmtree(workdir / "checkpoints" / "step_00000004")
    resumed = command.run(
        "train",
        *ARGUMENTS,
        f"--runtime={second}",
        f"--workdir={workdir}",
        data=data,
        cwd=tmp_path,
    )
    assert resumed.returncode == 0, resumed.stderr
    assert "Going on from step 2" in resumed.stderr
    assert losses(workdir) == pytest.approx(losses(whole.workdir), rel=1e-4)
    assert len(losses(workdir)) == 4
