import subprocess
import sys
from pathlib import Path

import pytest

from mirasol.checkpoint import draft
from mirasol.checkpoint.draft import Draft, abandoned_drafts, remove_whole, set_aside

BEGIN_AND_DIE = """
import os, sys, pathlib
from mirasol.checkpoint.draft import Draft
print(Draft(pathlib.Path(sys.argv[1])).path, flush=True)
os.kill(os.getpid(), 9)
"""


def begin_and_die(target: Path) -> Path:
    command = [sys.executable, "-c", BEGIN_AND_DIE, str(target)]
    return Path(subprocess.run(command, capture_output=True, text=True).stdout.strip())


def test_nothing_bears_the_name_before_publish(tmp_path: Path):
    begun = Draft(tmp_path / "step")
    (begun.path / "part").write_text("x")
    assert not (tmp_path / "step").exists()
    begun.publish()
    assert [path.name for path in tmp_path.iterdir()] == ["step"]
    assert (tmp_path / "step" / "part").read_text() == "x"


def test_a_discarded_draft_leaves_nothing(tmp_path: Path):
    begun = Draft(tmp_path / "step")
    (begun.path / "part").write_text("x")
    begun.discard()
    assert list(tmp_path.iterdir()) == []


def test_only_drafts_of_dead_writers_are_abandoned(tmp_path: Path):
    Draft(tmp_path / "alive")
    dead = begin_and_die(tmp_path / "dead")
    for name in ("step", "step.incomplete", "step.incomplete-1", "step.damaged-00000000"):
        (tmp_path / name).mkdir()
    (tmp_path / dead.name.replace("dead", "file")).write_text("not a folder")
    assert abandoned_drafts(tmp_path) == [dead]
    assert abandoned_drafts(tmp_path / "absent") == []


def test_a_writer_on_another_host_may_be_alive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    begin_and_die(tmp_path / "dead")
    monkeypatch.setattr(draft, "_host", lambda: "00000000")
    assert abandoned_drafts(tmp_path) == []


def test_writers_before_a_reboot_are_dead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    begun = Draft(tmp_path / "step")
    assert abandoned_drafts(tmp_path) == []
    monkeypatch.setattr(draft, "_boot_id", lambda: "another boot")
    assert abandoned_drafts(tmp_path) == [begun.path]


def test_without_a_boot_id_nothing_is_provable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(draft, "_boot_id", lambda: "")
    begin_and_die(tmp_path / "dead")
    Draft(tmp_path / "step")
    assert abandoned_drafts(tmp_path) == []


def test_remove_whole_and_set_aside(tmp_path: Path):
    for name in ("old", "damaged"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "part").write_text("x")
    remove_whole(tmp_path / "old")
    moved = set_aside(tmp_path / "damaged")
    assert list(tmp_path.iterdir()) == [moved]
    assert (moved / "part").read_text() == "x"
