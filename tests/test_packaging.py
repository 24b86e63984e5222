"""What `pip wheel .` makes, and that it works without the checkout."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def shipped(folder: str, *patterns: str) -> set[str]:
    return {
        path.relative_to(ROOT).as_posix()
        for pattern in patterns
        for path in (ROOT / folder).rglob(pattern)
        if "__pycache__" not in path.parts and path.is_file()
    }


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    # From a copy: setuptools leaves a build folder, whose stale files would get into the wheel.
    source = folder / "source"
    source.mkdir()
    wanted = ["pyproject.toml", "README.md", "LICENSE", "mirasol", "tasks", "gin"]
    for name in wanted:
        if (ROOT / name).exists():
            subprocess.run(["cp", "-r", str(ROOT / name), str(source)], check=True)
    command = ["-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--quiet", "."]
    done = subprocess.run(
        [sys.executable, *command, f"--wheel-dir={folder}"],
        cwd=source,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    (found,) = folder.glob("*.whl")
    return found


def test_the_wheel_installs_one_top_level_name(wheel):
    names = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {name for name in names if not name.endswith(".dist-info")} == {"mirasol"}


def test_the_wheel_holds_everything_that_a_run_needs(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    assert shipped("mirasol", "*.py", "py.typed") <= names
    assert {f"mirasol/{name}" for name in shipped("tasks", "*.py")} <= names
    templates = shipped("mirasol/sweeps", "*.jinja", "*.css")
    assert templates
    assert templates <= names
    data = shipped("gin", "*.gin") | shipped("gin/vocabularies", "*")
    assert data
    assert {f"mirasol/{name}" for name in data} <= names
    assert any(name.endswith("licenses/LICENSE") for name in names)


@pytest.fixture
def installed(wheel, tmp_path) -> Path:
    folder = tmp_path / "installed"
    zipfile.ZipFile(wheel).extractall(folder)
    return folder


@pytest.fixture
def elsewhere(tmp_path) -> Path:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    return folder


def run_python(installed: Path, folder: Path, *arguments: str, **environment: str) -> str:
    """Runs Python in `folder`, with the wheel before any checkout; returns what it prints."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(installed), **environment},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_wheel_alone_describes_a_run(installed, elsewhere):
    program = (
        "import sys; from importlib.util import find_spec; from mirasol.__main__ import main;"
        "print(find_spec('mirasol').origin, find_spec('mirasol.tasks').origin);"
        "sys.exit(main(['describe', '--gin_file=runs/av_shapes_tiny.gin']))"
    )
    printed = run_python(installed, elsewhere, "-c", program)
    package, tasks = printed.splitlines()[0].split()
    assert package == str(installed / "mirasol" / "__init__.py")
    assert tasks == str(installed / "mirasol" / "tasks" / "__init__.py")
    assert "av_shapes_tiny" in printed
    assert list(elsewhere.iterdir()) == []


@pytest.mark.slow
def test_the_wheel_alone_trains_in_an_empty_folder(installed, elsewhere):
    command = ["-m", "mirasol", "train", "--gin_file=runs/av_shapes_tiny.gin", "--workdir=run"]
    run_python(installed, elsewhere, *command, MIRASOL_DATA=str(elsewhere / "data"))
    metrics = [
        json.loads(line)
        for line in (elsewhere / "run" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    assert [line["step"] for line in metrics if line["split"] == "train"] == list(range(1, 21))
    assert (elsewhere / "run" / "eval" / "av_shapes_tiny_joint-validation.json").exists()
