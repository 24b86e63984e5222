"""The code that runs, in git and installed."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

from mirasol.provenance import code


def git(folder, *arguments):
    identity = ["-c", "user.name=a", "-c", "user.email=a@b.example", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *identity, "-C", str(folder), *arguments], check=True)


@pytest.fixture
def package(tmp_path):
    """A package with a task beside it, committed."""
    package = tmp_path / "mirasol"
    (tmp_path / "tasks").mkdir()
    package.mkdir()
    (package / "__init__.py").write_text("")
    (tmp_path / "tasks" / "toys.py").write_text("")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "first")
    return package


def test_source_in_git_is_named_by_its_commit(package):
    found = code.commit(package)
    assert len(found["commit"]) == 40
    assert found["changed"] is False
    assert code.patch(package) is None
    (package / "__init__.py").write_text("changed = True\n")
    assert code.commit(package) == {"commit": found["commit"], "changed": True}


def test_what_is_not_committed_is_a_patch_that_git_can_apply(package, tmp_path):
    (package / "__init__.py").write_text("changed = True\n")
    (package / "new.py").write_text("")
    patch = code.patch(package)
    assert patch.told() == {"file": patch.name, "bytes": len(patch.content), "cut": False}
    assert code.untracked(package) == ["mirasol/new.py"]
    git(tmp_path, "checkout", "-q", "--", ".")
    (tmp_path / "x.patch").write_bytes(patch.content)
    git(tmp_path, "apply", "x.patch")
    assert (package / "__init__.py").read_text() == "changed = True\n"


def test_a_long_patch_is_cut_and_says_so(package, monkeypatch):
    monkeypatch.setattr(code, "_LONGEST_PATCH", 200)
    (package / "__init__.py").write_text("x = 1\n" * 100)
    patch = code.patch(package)
    assert 0 < len(patch.content) <= 200
    assert patch.content.endswith(b"\n")
    assert patch.told()["cut"] is True
    assert patch.told()["bytes"] > 600


def test_a_repository_around_an_installation_is_not_its_source(tmp_path):
    git(tmp_path, "init", "-q")
    installed = tmp_path / "site-packages" / "mirasol"
    installed.mkdir(parents=True)
    (installed / "__init__.py").write_text("")
    assert code.commit(installed) == {"commit": None, "changed": None}
    assert code.patch(installed) is None
    assert code.untracked(installed) == []


def test_an_installation_has_the_checksums_of_its_checkout(package, tmp_path):
    ours = code.sources(package)
    assert {"mirasol/__init__.py", "tasks/toys.py"} <= ours.keys()
    installed = tmp_path / "site-packages" / "mirasol"
    installed.parent.mkdir()
    subprocess.run(["cp", "-r", str(package), str(installed)], check=True)
    subprocess.run(["cp", "-r", str(tmp_path / "tasks"), str(installed)], check=True)
    assert code.sources(installed) == ours


GIN = """
from __gin__ import dynamic_registration
from mirasol.models import combiners
import json
import one_file
from torch import optim
from several_files.inner import part
from no_package import alone
"""


def test_modules_that_a_gin_file_brings_are_told_file_by_file(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "several_files" / "inner").mkdir(parents=True)
    for name in ("__init__.py", "inner/__init__.py", "inner/part.py"):
        (tmp_path / "several_files" / name).write_text("")
    (tmp_path / "no_package").mkdir()
    (tmp_path / "no_package" / "alone.py").write_text("")
    (tmp_path / "one_file.py").write_text("A = 1\n")
    (tmp_path / "of_no_concern.py").write_text("")
    for name in ("one_file", "several_files.inner.part", "no_package.alone"):
        importlib.import_module(name)
    try:
        found = code.plugins(GIN)
        assert sorted(found) == [
            "no_package/alone.py",
            "one_file.py",
            "several_files/__init__.py",
            "several_files/inner/__init__.py",
            "several_files/inner/part.py",
        ]
        (tmp_path / "one_file.py").write_text("A = 2\n")
        changed = code.plugins(GIN)
        assert [name for name in found if found[name] != changed[name]] == ["one_file.py"]
    finally:
        ours = ("one_file", "several_files", "no_package")
        for name in [each for each in sys.modules if each.startswith(ours)]:
            del sys.modules[name]
