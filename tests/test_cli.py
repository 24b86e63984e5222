from __future__ import annotations

import dataclasses
import json
import os
import resource
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import pytest

from mirasol import config
from mirasol.__main__ import COMMANDS, FLAGS, main

# An experiment that notes what it is asked to do.


@dataclasses.dataclass(frozen=True)
class Model:
    width: int = 8

    def __post_init__(self):
        if self.width % 4:
            raise ValueError(f"width is {self.width}, no multiple of 4")
        if not self.width:
            raise ValueError(f"Model.width is {self.width}; it must be 4 up")


@dataclasses.dataclass(frozen=True)
class Experiment:
    steps: int
    seed: int = 0
    task: str = "shapes"
    model: Callable[[], Model] = Model
    precision: str = "float32"
    calls: ClassVar[list[tuple]] = []

    def rehearse(self):
        self.try_batches(self.model())

    def try_batches(self, model):
        assert isinstance(model, Model)

    def try_warm_start(self, model):
        assert isinstance(model, Model)

    def pinned(self):
        return self

    def origin(self):
        return None

    def check(self, make=True):
        if self.task != "shapes":
            raise ValueError(f"no task {self.task!r}; did you mean 'shapes'?")

    def train(self, workdir, runtime):
        self.calls.append(("train", self.steps, workdir, runtime))
        return {"shapes": {"loss": 0.5}}

    def evaluate(self, workdir, runtime, tasks, split, folder):
        self.calls.append(("evaluate", workdir, runtime, tasks, split, folder))
        return {"shapes": {"loss": 0.5}}

    def infer_video(self, workdir, runtime, video, question):
        self.calls.append(("infer_video", workdir, video, question))
        return "circle"

    def remarks(self, video, question):
        return [f"no sound in {video}"]

    def infer_task(self, workdir, runtime, task, split, output):
        self.calls.append(("infer_task", workdir, task, split, output))
        return 3


RUN = """
from __gin__ import dynamic_registration
import toy
TRAIN_STEPS = 20
SEED = 7
toy.Experiment.steps = %TRAIN_STEPS
toy.Experiment.seed = %SEED
toy.Experiment.model = @toy.Model
"""


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path):
    module = types.ModuleType("toy")
    module.Experiment, module.Model = Experiment, Model
    monkeypatch.setitem(sys.modules, "toy", module)
    monkeypatch.setattr(config, "ROOT", "toy.Experiment")
    monkeypatch.setattr(Experiment, "calls", [])
    monkeypatch.chdir(tmp_path)
    Path("runs").mkdir()
    Path("runs/circle.gin").write_text(RUN)
    Path("clip.mp4").write_bytes(b"")
    return tmp_path


def everything_in(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def train(*more: str) -> int:
    return main(["train", "--gin_file=runs/circle.gin", "--runtime=cpu", *more])


REFUSED = [
    ("trian", "no command 'trian'", "did you mean 'train'?"),
    ("train --TRAIN_STEPS=3", "train has no flag --TRAIN_STEPS", "--gin.TRAIN_STEPS=VALUE"),
    ("train --Trainer.keep=3", "train has no flag --Trainer.keep", "--gin.Trainer.keep=VALUE"),
    ("eval --workdir=x --task=a,b", "--task=a,b", ": --task=a --task=b"),
    ("train --gin_fil=x", "train has no flag --gin_fil", "did you mean '--gin_file'?"),
    ("train --video=x", "--video", "belongs to infer"),
    ("train", "--gin_file=", ""),
    ("train circle", "'circle'", ""),
    ("train --gin_file", "gin_file", ""),
    ("train --gin_file=runs/circel.gin", "'runs/circel.gin'", "did you mean 'runs/circle.gin'?"),
    ("train --gin_file=runs/circle.gin --runtime=cpuu", "'cpuu'", "did you mean 'cpu'?"),
    ("train --gin_file=runs/circle.gin --gin.SEEED=3", "'SEEED'", "did you mean 'SEED'?"),
    ("train --gin_file=runs/circle.gin --gin.SEED", "--gin.SEED", "=VALUE"),
    ("train --gin_file=runs/circle.gin --gin.SEED=", "--gin.SEED", "=VALUE"),
    ("train --gin_file=runs/circle.gin --gin.Experiment.task=x", "--gin.Experiment.task", "quotes"),
    ("train --gin_file=runs/circle.gin --gin.Experiment.task=a/b.c", "'a/b.c'", "quotes"),
    ("train --gin_file=runs/circle.gin --gin.toy.Experiment.task='shaps'", "'shaps'", "'shapes'"),
    (
        "train --gin_file=runs/circle.gin --workdir=new --gin.Model.width=9",
        "mirasol: --gin.Model.width: Model: width is 9",
        "no multiple of 4",
    ),
    ("train --gin_file=runs/circle.gin --gin.SEED=false", "false is no", "did you mean False?"),
    ("train --gin_file=runs/circle.gin --gin.SEED=seven", "seven is no", "did you mean 'seven'?"),
    ("train --gin_file=runs/circle.gin --gin.TRAIN_STEPS=None", "Experiment.steps", "whole number"),
    (
        "train --gin_file=runs/circle.gin --workdir=new --gin.Model.width=0",
        "mirasol: --gin.Model.width: Model.width is 0",
        "4 up",
    ),
    ("train --gin_file=runs/circle.gin --workdir=clip.mp4/new", "clip.mp4/new", "Not a directory"),
    ("train --gin_file=runs/circle.gin --workdir=clip.mp4", "clip.mp4", "--workdir"),
    ("train --gin_file=runs/circle.gin --workdir=runs", "circle.gin", "--workdir"),
    ("train --gin_file=overlays/tiny.gin", "binds Experiment", "runs/"),
    ("describe --gin_file=models/mirasol_tiny.gin", "binds Experiment", "parts of a run"),
    ("describe --gin_file=models/mirasol_tiny.gin", "--gin_file=runs/av_shapes_tiny.gin", "such"),
    ("eval", "--workdir", ""),
    ("eval --workdir=workdirs/circel", "workdirs/circel", "did you mean 'workdirs/circle'?"),
    ("eval --workdir=runs", "runs", "holds no run"),
    ("eval --workdir=workdirs/circle --runtime=gpu", "'gpu'", "did you mean 'cuda'?"),
    ("eval --workdir=workdirs/circle --runtime=tpu", "'tpu'", "did you mean 'xla'?"),
    ("eval --workdir=workdirs/circle --video=x", "--video", "belongs to infer"),
    ("infer --workdir=workdirs/circle", "--video", "--question"),
    ("infer --workdir=workdirs/circle --video=clip.mp4", "--question", "not given"),
    ("infer --workdir=workdirs/circle --video=clop.mp4 --question=x", "clop", "'clip.mp4'?"),
    ("infer --workdir=workdirs/circle --video=runs --question=x", "--video=runs is a folder", ""),
    ("infer --workdir=workdirs/circle --video=http://a.b/c.mp4 --question=x", "address", ""),
    ("infer --workdir=workdirs/circle --task=shapes --split=test", "--output", "not given"),
    ("infer --workdir=workdirs/circle --video=clip.mp4 --question=x --task=t", "--video", ""),
    ("infer --workdir=workdirs/circle --task=t --split=s --output=runs", "runs is a folder", ""),
    ("describe", "--gin_file", "--workdir"),
    ("describe --gin_file=runs/circle.gin --workdir=workdirs/circle", "--gin_file", "not both"),
    ("describe --gin_file=runs/circle.gin --format=jsn", "--format=jsn", "<text|json>"),
    ("describe --gin_file=runs/circle.gin --devices=two", "--devices=two", "a whole number"),
    ("diff runs/circle.gin", "two experiments", "joined by +"),
    ("reproduce", "needs one workdir", ""),
    ("reproduce workdirs/circel", "workdirs/circel", "did you mean 'workdirs/circle'?"),
    ("reproduce workdirs/circle", "no record of a start", "provenance.json"),
    ("reproduce workdirs/circle --gin.SEED=1", "another experiment", "--gin.NAME=VALUE"),
    ("diff a b c", "'c'", "2 words"),
    ("diff runs/circle.gin runs/circel.gin", "'runs/circel.gin'", "'runs/circle.gin'?"),
]


@pytest.mark.parametrize(("line", "named", "offered"), REFUSED, ids=[case[0] for case in REFUSED])
def test_bad_input_is_one_line_and_code_2_and_writes_nothing(
    line, named, offered, folder, capfd, monkeypatch
):
    Path("workdirs/circle").mkdir(parents=True)
    Path("workdirs/circle/config.gin").write_text(RUN)
    before = everything_in(folder)
    assert main(line.split()) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith("mirasol: ")
    assert err.count("\n") == 1
    assert named in err
    assert offered in err
    assert "Traceback" not in err
    assert everything_in(folder) == before
    assert Experiment.calls == []


def test_train_writes_what_the_run_is_and_then_trains(capsys):
    assert train("--gin.TRAIN_STEPS=5") == 0
    workdir = Path("workdirs/circle")
    assert Experiment.calls == [("train", 5, workdir, "cpu")]
    names = {path.name for path in workdir.iterdir()}
    # Beside these the patch, where the checkout that is tested has changes.
    assert {name for name in names if not name.startswith("uncommitted-")} == {
        "config.gin",
        "operative_config.gin",
        "provenance.json",
    }
    assert "TRAIN_STEPS = 5" in (workdir / "config.gin").read_text()
    assert "toy.Experiment.task = 'shapes'" in (workdir / "operative_config.gin").read_text()
    assert str(workdir) in capsys.readouterr().out


def test_the_same_command_again_goes_on_and_is_recorded():
    assert train() == train() == 0
    assert len(Experiment.calls) == 2
    starts = json.loads(Path("workdirs/circle/provenance.json").read_text())["starts"]
    assert len(starts) == 2
    assert starts[0]["command"] == (
        "python -m mirasol train --gin_file=runs/circle.gin --runtime=cpu"
    )
    assert starts[0]["seed"] == 7
    assert "cpu" in starts[0]["runtime"]
    assert starts[0]["packages"]["gin-config"]


def test_a_workdir_of_another_experiment_is_refused(folder, capsys):
    assert train("--workdir=mine") == 0
    before = everything_in(folder)
    assert train("--workdir=mine", "--gin.TRAIN_STEPS=30") == 2
    message = capsys.readouterr().err
    assert "TRAIN_STEPS: 20, not 30" in message
    assert "another --workdir" in message
    assert everything_in(folder) == before
    assert len(Experiment.calls) == 1


def test_a_workdir_in_which_nothing_is_trained_may_be_removed(capsys):
    assert train("--workdir=mine") == 0
    Path("mine/checkpoints").mkdir()
    assert train("--workdir=mine", "--gin.TRAIN_STEPS=30") == 2
    assert "nothing is trained in it yet: remove the folder" in capsys.readouterr().err
    Path("mine/metrics.jsonl").write_text("{}\n")
    assert train("--workdir=mine", "--gin.TRAIN_STEPS=30") == 2
    assert "remove" not in capsys.readouterr().err


def test_a_workdir_written_in_other_words_is_the_same():
    Path("mine").mkdir()
    Path("mine/config.gin").write_text(RUN.replace("TRAIN_STEPS", "ALL_STEPS"))
    assert train("--workdir=mine") == 0
    assert Experiment.calls


def test_a_workdir_that_this_code_cannot_read_is_refused(capsys):
    Path("mine").mkdir()
    Path("mine/config.gin").write_text(RUN.replace("Experiment.seed", "Experiment.sead"))
    assert train("--workdir=mine") == 2
    assert "config.gin line 7: toy.Experiment has no parameter 'sead'" in capsys.readouterr().err


def test_eval_needs_only_the_workdir(capsys):
    assert train("--gin.TRAIN_STEPS=5") == 0
    assert main(["eval", "--workdir=workdirs/circle", "--runtime=cpu"]) == 0
    folder = Path("workdirs/circle/eval")
    assert Experiment.calls[-1] == ("evaluate", folder.parent, "cpu", None, None, folder)
    assert "0.5" in capsys.readouterr().out


def test_eval_with_changes_leaves_the_results_of_the_experiment_alone():
    assert train() == 0
    line = "eval --workdir=workdirs/circle --runtime=cpu --gin.SEED=1 --gin.TRAIN_STEPS=2"
    assert main(line.split()) == 0
    assert Experiment.calls[-1][-1] == Path("workdirs/circle/eval/SEED=1,TRAIN_STEPS=2")


def test_eval_of_tasks_and_a_split():
    assert train() == 0
    line = "eval --workdir=workdirs/circle --runtime=cpu --task=a --task=b --split=test"
    assert main(line.split()) == 0
    assert Experiment.calls[-1][3:5] == (["a", "b"], "test")


def test_eval_refuses_gin_files_of_another_experiment(capsys):
    assert train() == 0
    line = "eval --workdir=workdirs/circle --runtime=cpu --gin_file=runs/circle.gin"
    assert main(line.split()) == 0
    assert main([*line.split(), "--gin.SEED=1"]) == 2
    assert "SEED: 7, not 1" in capsys.readouterr().err


def test_eval_takes_files_that_change_the_experiment_of_the_workdir(capsys):
    Path("fewer.gin").write_text("TRAIN_STEPS = 3\n")
    assert train() == 0
    line = "eval --workdir=workdirs/circle --runtime=cpu --gin_file=fewer.gin --gin.SEED=1"
    assert main(line.split()) == 0
    assert Experiment.calls[-1][-1] == Path("workdirs/circle/eval/fewer,SEED=1")
    Path("fewer.gin").write_text("TRAIN_STEP = 3\n")
    assert main(line.split()) == 2
    assert "did you mean 'TRAIN_STEPS'?" in capsys.readouterr().err


def test_infer_prints_the_answer_alone(capsys):
    assert train() == 0
    capsys.readouterr()
    line = ["infer", "--workdir=workdirs/circle", "--runtime=cpu", "--video=clip.mp4"]
    assert main([*line, "--question=what is it?"]) == 0
    out, err = capsys.readouterr()
    assert out == "circle\n"
    assert err == "mirasol: no sound in clip.mp4\n"
    assert Experiment.calls[-1][2:] == (Path("clip.mp4"), "what is it?")


def test_infer_writes_predictions_of_a_split(capsys):
    assert train() == 0
    line = "infer --workdir=workdirs/circle --runtime=cpu --task=t --split=s --output=p.jsonl"
    assert main(line.split()) == 0
    assert Experiment.calls[-1][2:] == ("t", "s", Path("p.jsonl"))


def test_a_log_line_comes_without_a_line_about_flags():
    program = (
        "from absl import logging; from mirasol.commands.printing import log_to_terminal;"
        "log_to_terminal(); logging.info('going on')"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    (line,) = done.stderr.splitlines()
    assert line.endswith("going on")


def test_a_bug_keeps_its_traceback(monkeypatch):
    def broken(self, workdir, runtime):
        raise RuntimeError("a bug")

    monkeypatch.setattr(Experiment, "train", broken)
    with pytest.raises(RuntimeError, match="a bug"):
        train()


def test_a_variable_shows_where_a_refusal_comes_from(monkeypatch):
    monkeypatch.setenv("MIRASOL_TRACEBACK", "1")
    with pytest.raises(ValueError, match="no command"):
        main(["trian"])


def test_help_names_every_command_and_flag(capsys):
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    assert all(name in text for name in COMMANDS)
    assert all(f"--{name}" in text for name in FLAGS)
    assert main([]) == 2


def processor_seconds(*command: str) -> float:
    """Returns the least of three: what a command takes of a core, however busy the machine is."""
    times = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, *command], check=True, stdout=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)
    return min(times)


@pytest.mark.parametrize("command", [("-c", "import mirasol"), ("-m", "mirasol", "--help")])
def test_help_and_import_take_under_a_second(command):
    assert processor_seconds(*command) < 1.0


def test_help_imports_nothing_heavy():
    program = (
        "import sys; from mirasol.__main__ import main; main(['--help']);"
        "print({'torch', 'numpy', 'tensorflow', 'seqio', 'gin', 'av'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "set()"


def test_a_reader_that_has_read_enough_is_no_error():
    code = """
import sys
from mirasol import __main__
from mirasol.commands import dispatch
dispatch.run = lambda name, request: print("x") or 0
sys.exit(__main__.main(["check", "--gin_file=any"]))
"""
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-c", code], stdout=write, stderr=subprocess.PIPE, text=True
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (0, "")
