from __future__ import annotations

import json
import subprocess

from mirasol import provenance
from mirasol.config import Spec
from mirasol.wiring import Wiring


def git(folder, *arguments):
    identity = ["-c", "user.name=a", "-c", "user.email=a@b.example", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *identity, "-C", str(folder), *arguments], check=True)


def test_source_in_git_is_named_by_its_commit(tmp_path):
    package = tmp_path / "package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "first")
    found = provenance.code(package)
    assert len(found["commit"]) == 40
    assert found["changed"] is False
    (package / "__init__.py").write_text("changed = True\n")
    assert provenance.code(package) == {"commit": found["commit"], "changed": True}


def test_a_repository_around_an_installation_is_not_its_source(tmp_path):
    git(tmp_path, "init", "-q")
    installed = tmp_path / "site-packages" / "package"
    installed.mkdir(parents=True)
    (installed / "__init__.py").write_text("")
    assert provenance.code(installed) == {"commit": None, "changed": None}


def test_each_start_is_added_to_the_file(tmp_path):
    path = tmp_path / "provenance.json"
    spec = Spec("", "", {}, {"SEED": 5}, "", Wiring([], {}))
    first = provenance.record(["train", "--gin.A='b c'"], spec, "cpu: eager")
    provenance.append(path, first)
    provenance.append(path, {"started": "later"})
    assert json.loads(path.read_text()) == {"starts": [first, {"started": "later"}]}
    assert first["seed"] == 5
    assert first["runtime"] == "cpu: eager"
    assert first["command"] == """python -m mirasol train '--gin.A='"'"'b c'"'"''"""
    assert "torch" in first["packages"]
    assert [each.name for each in tmp_path.iterdir()] == ["provenance.json"]
