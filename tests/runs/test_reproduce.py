"""A run started again from its own record."""

from __future__ import annotations

import json

import torch

from mirasol.__main__ import main
from mirasol.checkpoint.manager import CheckpointManager
from mirasol.provenance import code, record
from tests.runs import command


def checkpoint(workdir):
    return CheckpointManager(workdir / "checkpoints").read()


def test_a_record_holds_the_identity_of_the_data(unbroken):
    (start,) = record.starts(unbroken.workdir / "provenance.json")
    train = start["data"]["av_shapes_tiny_joint/train"]
    assert {"av_shapes_tiny/set.json", "av_shapes_tiny/train_qa.json"} == train["files"].keys()
    rows = json.loads((unbroken.data / "av_shapes_tiny" / "train_qa.json").read_text())
    assert 0 < train["rows"] < len(rows)  # Those about parts alone are another task's.
    assert (train["with_media"], train["without_media"]) == (train["rows"], 0)
    assert start["data"]["av_shapes_tiny_joint/validation"]["rows"] < train["rows"]


def test_it_gives_the_same_parameters_bit_for_bit(unbroken, tmp_path):
    workdir = tmp_path / "again"
    again = command.run(
        "reproduce",
        str(unbroken.workdir),
        f"--workdir={workdir}",
        data=unbroken.data,
        cwd=unbroken.cwd,
    )
    assert again.returncode == 0, again.stderr
    assert again.stdout.startswith("nothing differs\n")
    want, got = checkpoint(unbroken.workdir), checkpoint(workdir)
    assert got.keys() == want.keys()
    for name, value in want.items():
        if isinstance(value, torch.Tensor):
            assert torch.equal(got[name], value), name
    assert command.lines(workdir) == command.lines(unbroken.workdir)
    (start,) = record.starts(workdir / "provenance.json")
    assert start["reproduces"] == str(unbroken.workdir)


def test_a_dry_run_names_a_changed_file_and_writes_nothing(unbroken, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("MIRASOL_DATA", str(unbroken.data))
    sources = code.sources(code.package())
    name = "mirasol/models/losses.py"
    monkeypatch.setattr(code, "sources", lambda package: {**sources, name: "0" * 64})
    workdir = tmp_path / "again"
    assert main(["reproduce", str(unbroken.workdir), f"--workdir={workdir}", "--dry_run"]) == 0
    lines = capsys.readouterr().out.splitlines()
    (line,) = [line for line in lines if line.startswith("source file")]
    assert line.startswith(f"source file {name}: ")
    assert not workdir.exists()


def test_a_workdir_that_is_there_is_refused(unbroken, capsys):
    assert main(["reproduce", str(unbroken.workdir), f"--workdir={unbroken.workdir}"]) == 2
    assert "there already" in capsys.readouterr().err
