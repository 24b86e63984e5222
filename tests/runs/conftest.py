from __future__ import annotations

import dataclasses
import subprocess
from pathlib import Path

import pytest

from tests.runs import command

TINY = "--gin_file=runs/av_shapes_tiny.gin"
DETERMINISTIC = "--gin_file=overlays/deterministic.gin"


@dataclasses.dataclass(frozen=True)
class Finished:
    process: subprocess.CompletedProcess
    data: Path
    cwd: Path
    workdir: Path


@pytest.fixture(scope="session")
def data(tmp_path_factory) -> Path:
    """Where the first command makes AV-Shapes, and the others find it."""
    return tmp_path_factory.mktemp("data")


def finish(data: Path, cwd: Path, *arguments: str) -> Finished:
    workdir = cwd / "workdir"
    process = command.run("train", *arguments, f"--workdir={workdir}", data=data, cwd=cwd)
    assert process.returncode == 0, process.stderr
    return Finished(process, data, cwd, workdir)


@pytest.fixture(scope="session")
def unbroken(data, tmp_path_factory) -> Finished:
    """The tiny run, from start to end."""
    return finish(data, tmp_path_factory.mktemp("unbroken"), TINY)


@pytest.fixture(scope="session")
def on_cpu(data, tmp_path_factory) -> Finished:
    """The tiny run without chance, on the CPU."""
    return finish(data, tmp_path_factory.mktemp("on_cpu"), TINY, DETERMINISTIC, "--runtime=cpu")


@pytest.fixture(scope="session")
def on_xla(data, tmp_path_factory) -> Finished:
    """The tiny run without chance, on XLA's CPU device."""
    return finish(data, tmp_path_factory.mktemp("on_xla"), TINY, DETERMINISTIC, "--runtime=xla")
