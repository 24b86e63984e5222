"""What is different now."""

from __future__ import annotations

import copy
import shutil

import pytest

from mirasol.provenance import code, record
from mirasol.provenance.comparison import changes
from tests.provenance.test_record import SPEC


@pytest.fixture
def then():
    data = {"shapes/train": {"files": {"qa.json": {"sha256": "a" * 64}}, "rows": 3}}
    return record.record(["train"], SPEC, "cpu: eager", data)


def test_nothing_differs_from_itself(then):
    later = {**copy.deepcopy(then), "started": "later", "command": "other"}
    assert changes(then, later) == []


def test_a_changed_line_names_its_file(then, tmp_path, monkeypatch):
    package = tmp_path / "mirasol"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(code.package(), package, ignore=ignored)
    tasks = code.package() / "tasks"
    tasks = tasks if tasks.is_dir() else code.package().parent / "tasks"
    shutil.copytree(tasks, tmp_path / "tasks", ignore=ignored)
    monkeypatch.setattr(code, "package", lambda: package)
    line = "\n# Another line.\n"
    path = package / "models" / "losses.py"
    path.write_text(path.read_text() + line)
    now = record.record(["train"], SPEC, "cpu: eager", then["data"])
    found = [line for line in changes(then, now) if line.startswith("source file")]
    assert len(found) == 1
    assert found[0].startswith("source file mirasol/models/losses.py: ")


def test_versions_data_and_machine_are_compared(then):
    now = copy.deepcopy(then)
    now["packages"]["torch"] = "9.9"
    now["data"]["shapes/train"]["files"]["qa.json"]["sha256"] = "b" * 64
    now["data"]["shapes/train"]["rows"] = None
    now["host"] = "elsewhere"
    now["sources"]["mirasol/new.py"] = "c" * 64
    assert changes(then, now) == [
        "source file mirasol/new.py: new: cccccccccccc...",
        f"package torch: {then['packages']['torch']} then, 9.9 now",
        "data shapes/train files qa.json sha256: aaaaaaaaaaaa... then, bbbbbbbbbbbb... now",
        "data shapes/train rows: gone, was 3",
        f"host: {then['host']} then, elsewhere now",
    ]


def test_an_older_record_says_less(then):
    older = {key: value for key, value in then.items() if key != "sources"}
    assert changes(older, then) == ["source file: not recorded then"]
