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

from mirasol import config
from mirasol.checkpoint.state import model_state
from mirasol.data.av_shapes.files import media_path
from mirasol.data.av_shapes.maker import ensure_made
from mirasol.data.av_shapes.spec import variant
from mirasol.data.references import ClipReference, Question
from mirasol.gin_files import shipped_folder
from mirasol.session import Session
from mirasol.training.step import train_step
from tests.runs import command

PAGE = (shipped_folder().parent / "docs" / "tutorial.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"^```\w+ (\S+)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE))
COMMANDS = [
    tuple(typed.split("\n", 1))
    for block in re.findall(r"^```console\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    for typed in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]
]
# Each of these starts TensorFlow two or three times, ten seconds each.
LONG = ("python -m mirasol train", "python -m mirasol eval")
SHORT = [each for each in COMMANDS if not each[0].startswith(LONG)]
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


@pytest.fixture
def trained(folder, monkeypatch) -> Path:
    """The folder after two steps, made in this process, in place of what `train` does in twenty."""
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(folder)
    spec = config.load(["fading.gin"])
    experiment = spec.build()
    monkeypatch.delitem(sys.modules, "my_combiner")
    asked = Question("0", "what colour comes first", "red", "sight", {})
    video = media_path(folder / "data" / "av_shapes_tiny", 0)
    clip = ClipReference(str(video), None, None, (asked,), "")
    batch = experiment.converter.batch([experiment.converter.example(clip, clip.questions)])
    with Session.open(experiment, folder / "workdirs" / "fading", "cpu") as session:
        optimizer = experiment.trainer.optimizer.build(session.model, {})
        before = session.model.combiner.score.weight.detach().clone()
        for step in range(2):
            experiment.trainer.optimizer.set_rate(optimizer, step)
            train_step(session.model.train(), optimizer, batch, experiment.trainer.clip_norm)
        assert not session.model.combiner.score.weight.equal(before)
        session.checkpoints.save(2, {"model": model_state(session.model), "step": 2})
    (session.workdir / "config.gin").write_text(spec.declared, encoding="utf-8")
    return folder


def environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name != "MIRASOL_DATA"}
    return {**kept, "PYTHONPATH": f"{shipped_folder().parent}:{Path(__file__).parent}"}


def test_the_page_has_its_files_and_every_command_it_speaks_of():
    assert set(FILES) == {"my_combiner.py", "try_it.py", "fading.gin", "typo.gin"}
    verbs = [line.split()[3] for line, _ in COMMANDS if "-m mirasol" in line]
    assert verbs == ["check", "check", "check", "check", "diff", "train", "eval", "infer"]
    assert "".join(shown for _, shown in COMMANDS).count("did you mean") == 3


def test_what_takes_seconds_prints_what_the_page_shows(trained):
    done = subprocess.run(
        [sys.executable, "-m", "typed_commands", json.dumps([line for line, _ in SHORT])],
        cwd=trained,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert len(SHORT) == len(COMMANDS) - len(LONG)
    for (line, shown), came in zip(SHORT, json.loads(done.stdout), strict=True):
        check(line, shown, came["code"], came["printed"])


@pytest.mark.slow
def test_every_command_prints_it_in_a_shell(folder):
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    for line, shown in COMMANDS:
        done = subprocess.run(
            ["bash", "-c", line],
            cwd=folder,
            env={**environment(), "PATH": path},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        check(line, shown, done.returncode, done.stdout)
    steps = [each for each in command.lines(folder / "workdirs/fading") if each["split"] == "train"]
    assert steps[-1]["step"] == 20
