from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

from mirasol.evaluation.metrics import exact_match_by_type

PATH = Path(__file__).parents[2] / "tools" / "demo.py"
SPEC = importlib.util.spec_from_file_location("demo", PATH)
assert SPEC is not None and SPEC.loader is not None
demo = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(demo)


def row(media, kind, answer="red"):
    return {
        "media": media,
        "type": kind,
        "question": f"{kind} of {media}",
        "answer": answer,
        "prediction": "red",
    }


ROWS = [
    row("v1.mp4", "sight"),
    row("v1.mp4", "together"),
    row("v1.mp4", "order"),
    row("v2.mp4", "sight"),
    row("v2.mp4", "order", answer="blue"),
]


class FakeMirasol:
    """Stands for the command line; writes what `eval` writes."""

    def __init__(self, workdir, failing=""):
        self.workdir, self.failing, self.commands = workdir, failing, []

    def __call__(self, command, check, stdout, text):
        python, dash_m, name, verb, *flags = command
        assert (python, dash_m, name, check, text) == (sys.executable, "-m", "mirasol", True, True)
        self.commands.append([verb, *flags])
        if verb == self.failing:
            raise subprocess.CalledProcessError(7, command)
        if verb == "eval":
            folder = self.workdir / "eval"
            folder.mkdir(parents=True)
            lines = "".join(json.dumps(each) + "\n" for each in ROWS)
            (folder / "toy-validation-predictions.jsonl").write_text(lines)
            metrics = exact_match_by_type(ROWS, [each["prediction"] for each in ROWS])
            (folder / "toy-validation.json").write_text(json.dumps(metrics | {"step": 9}))
        return subprocess.CompletedProcess(command, 0, "red\n" if verb == "infer" else None)


def test_the_demo_runs_the_commands_a_user_would_and_ends_in_what_came_of_them(
    tmp_path, monkeypatch, capsys
):
    fake = FakeMirasol(tmp_path)
    monkeypatch.setattr(subprocess, "run", fake)
    assert demo.main([f"--workdir={tmp_path}", "--seed=3"]) == 0
    assert fake.commands == [
        ["train", "--gin_file=runs/av_shapes.gin", "--gin.SEED=3", f"--workdir={tmp_path}"],
        ["eval", f"--workdir={tmp_path}"],
        *(
            ["infer", f"--workdir={tmp_path}", f"--video={video}", f"--question={question}"]
            for video, question in [
                ("v1.mp4", "together of v1.mp4"),
                ("v2.mp4", "order of v2.mp4"),
            ]
        ),
    ]
    said = capsys.readouterr().out
    assert f"-m mirasol eval --workdir={tmp_path}" in said
    results = said.split("=== Results ===")[1]
    assert "all          0.800" in results
    assert "file      v1.mp4\nquestion  together of v1.mp4\nanswer    red " in results
    assert "answer    red   (annotation: blue)" in results
    assert f"contact sheet  {tmp_path}/eval/toy-validation.png" in results
    assert f"workdir        {tmp_path}" in results


def test_a_step_that_fails_ends_the_demo_with_its_code(tmp_path, monkeypatch, capsys):
    fake = FakeMirasol(tmp_path, failing="train")
    monkeypatch.setattr(subprocess, "run", fake)
    assert demo.main([f"--workdir={tmp_path}"]) == 7
    assert len(fake.commands) == 1
    assert "ended with code 7" in capsys.readouterr().out


def test_questions_are_of_two_types_and_two_files_where_there_are():
    chosen = demo.two_questions(ROWS)
    assert [(each["media"], each["type"]) for each in chosen] == [
        ("v1.mp4", "together"),
        ("v2.mp4", "order"),
    ]
    untyped = [row("a.mp4", ""), row("a.mp4", ""), row("b.mp4", "")]
    assert [each["media"] for each in demo.two_questions(untyped)] == ["a.mp4", "b.mp4"]


@pytest.mark.parametrize(
    ("arguments", "workdir"), [([], "workdirs/demo"), (["--seed=2"], "workdirs/demo-seed-2")]
)
def test_each_seed_has_a_workdir_of_its_own(arguments, workdir):
    assert demo._options(arguments).workdir == Path(workdir)
