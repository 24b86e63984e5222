"""docs/tutorial.md as it stands: its files written, its commands run, their output compared."""

from __future__ import annotations

import doctest
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from mirasol.data.av_shapes.maker import ensure_made
from mirasol.data.av_shapes.spec import variant
from mirasol.gin_files import shipped_folder
from tests.runs import command

PAGE = (shipped_folder().parent / "docs" / "tutorial.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"^```\w+ (\S+)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE))
COMMANDS = [
    tuple(typed.split("\n", 1))
    for block in re.findall(r"^```console\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    for typed in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]
]
FAILED, DIFFERENT = 2, 1


def exit_code(line: str, shown: str) -> int:
    if line.startswith("python -m mirasol diff"):
        return DIFFERENT
    return FAILED if shown.startswith("mirasol: ") else 0


def check(line: str, shown: str, code: int, printed: str) -> None:
    """Fails if a command ended otherwise than the page says, or printed what it does not show."""
    assert code == exit_code(line, shown), printed
    checker = doctest.OutputChecker()
    assert checker.check_output(shown, printed, doctest.ELLIPSIS), (
        f"docs/tutorial.md shows for {line}\n{shown}\nand it prints\n{printed}"
    )


@pytest.fixture
def folder(tmp_path, data) -> Path:
    """The page's files, and `data` as `train` makes it there."""
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    ensure_made(variant("av_shapes_tiny"), data)
    (tmp_path / "data").symlink_to(data)
    return tmp_path


def environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name != "MIRASOL_DATA"}
    return {**kept, "PYTHONPATH": f"{shipped_folder().parent}:{Path(__file__).parent}"}


def test_the_page_has_its_files_and_every_command_it_speaks_of():
    assert set(FILES) == {"my_combiner.py", "try_it.py", "fading.gin", "typo.gin"}
    verbs = [line.split()[3] for line, _ in COMMANDS if "-m mirasol" in line]
    assert verbs == ["check", "check", "check", "check", "diff", "train", "eval", "infer"]
    assert "".join(shown for _, shown in COMMANDS).count("did you mean") == 3


@pytest.mark.slow
def test_every_command_prints_what_the_page_shows(folder):
    done = subprocess.run(
        [sys.executable, "-m", "typed_commands", json.dumps([line for line, _ in COMMANDS])],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    for (line, shown), came in zip(COMMANDS, json.loads(done.stdout), strict=True):
        check(line, shown, came["code"], came["printed"])
        if line.startswith("python -m mirasol infer"):
            *_, answer = came["printed"].splitlines()
            assert len(answer.split()) <= 1
    workdir = folder / "workdirs" / "fading"
    steps = [each for each in command.lines(workdir) if each["split"] == "train"]
    assert steps[-1]["step"] == 20
    (start,) = json.loads((workdir / "provenance.json").read_text())["starts"]
    assert "my_combiner.py" in start["sources"]
