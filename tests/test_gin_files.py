"""Where files that are named are looked for, and which one was meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from mirasol.gin_files import closest_file, closest_folder, find, run_name, shipped_folder


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    Path("run.gin").touch()


def test_files_are_found_from_here_and_then_in_the_shipped_folder():
    assert find("run.gin") == Path("run.gin")
    assert find("overlays/tiny.gin") == shipped_folder() / "overlays/tiny.gin"
    with pytest.raises(ValueError, match=r"did you mean 'overlays/tiny\.gin'"):
        find("overlays/tyny.gin")


def test_a_name_that_begins_at_home_or_is_not_normal_has_a_nearest(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    Path("cache").mkdir()
    Path("pieces.txt").write_text("")
    assert closest_folder("~/cahe") == str(tmp_path / "cache")
    assert closest_file("~/peices.txt") == str(tmp_path / "pieces.txt")
    assert closest_folder(".//cahe/") == "cache"


def test_a_run_is_named_after_its_file_not_after_an_overlay():
    assert run_name(["runs/a.gin"]) == "a"
    assert run_name(["gin/runs/a.gin", "overlays/tiny.gin"]) == "a"
    assert run_name(["overlays/tiny.gin"]) == "tiny"
    assert run_name(["runs/a.gin", "ablations/b.gin"]) == "b"
