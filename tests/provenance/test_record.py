"""The record of a start."""

from __future__ import annotations

import json

from mirasol.config import Spec
from mirasol.provenance import record
from mirasol.provenance.code import Patch
from mirasol.wiring import Wiring

SPEC = Spec(
    declared="SEED = 5",
    operative="",
    meaning={"Trainer.seed": "5"},
    macros={"SEED": 5},
    root="",
    wiring=Wiring([], {}),
)


def test_a_record_says_how_a_run_was_started(tmp_path, monkeypatch):
    monkeypatch.setenv("MIRASOL_DATA", "/data")
    arguments = ["train", "--gin.A='b c'"]
    found = record.record(arguments, SPEC, "cpu: eager", {"task/train": {"rows": 3}}, tmp_path)
    assert found["seed"] == 5
    assert found["declared"] == "SEED = 5"
    assert found["operative"] == {"Trainer.seed": "5"}
    assert found["runtime"] == "cpu: eager"
    assert found["command"] == """python -m mirasol train '--gin.A='"'"'b c'"'"''"""
    assert found["arguments"] == arguments
    assert found["reproduces"] == str(tmp_path)
    assert found["data"] == {"task/train": {"rows": 3}}
    assert found["environment"]["MIRASOL_DATA"] == "/data"
    assert "torch" in found["packages"]
    assert {"mirasol/config.py", "tasks/av_shapes.py"} <= found["sources"].keys()


def test_each_start_is_added_to_the_file(tmp_path):
    path = tmp_path / "provenance.json"
    record.append(path, {"started": "first"})
    record.append(path, {"started": "later"}, Patch(b"+1\n", 3))
    assert json.loads(path.read_text()) == {"starts": [{"started": "first"}, {"started": "later"}]}
    assert record.starts(path)[-1] == {"started": "later"}
    (patch,) = tmp_path.glob("uncommitted-*.patch")
    assert patch.read_bytes() == b"+1\n"
