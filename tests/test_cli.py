"""What the commands write and hand on, with an experiment that only notes it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mirasol.__main__ import main
from tests.toy_experiment import RUN, Experiment, everything_in, stand_in, train


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path):
    stand_in(monkeypatch, tmp_path)
    return tmp_path


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


def test_steps_to_trace_are_passed_on_and_what_is_no_span_is_refused(capsys):
    assert train("--profile=13:10") == 2
    assert "--profile=13:10 is no span of steps" in capsys.readouterr().err
    assert not Path("workdirs").exists()
    assert train("--profile=10:13") == 0
    assert Experiment.calls[-1][-1] == "steps 10 to 13"


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


def test_an_empty_answer_is_no_blank_line(capsys, monkeypatch):
    monkeypatch.setattr(Experiment, "infer_video", lambda *_: "")
    assert train() == 0
    capsys.readouterr()
    line = ["infer", "--workdir=workdirs/circle", "--runtime=cpu", "--video=clip.mp4"]
    assert main([*line, "--question=what is it?"]) == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert "mirasol: the answer is empty: no word came before its end\n" in err


def test_infer_writes_predictions_of_a_split(capsys):
    assert train() == 0
    line = "infer --workdir=workdirs/circle --runtime=cpu --task=t --split=s --output=p.jsonl"
    assert main(line.split()) == 0
    assert Experiment.calls[-1][2:] == ("t", "s", Path("p.jsonl"))


def test_a_bug_keeps_its_traceback(monkeypatch):
    def broken(self, workdir, runtime, profile):
        raise RuntimeError("a bug")

    monkeypatch.setattr(Experiment, "train", broken)
    with pytest.raises(RuntimeError, match="a bug"):
        train()


def test_a_variable_shows_where_a_refusal_comes_from(monkeypatch):
    monkeypatch.setenv("MIRASOL_TRACEBACK", "1")
    with pytest.raises(ValueError, match="no command"):
        main(["trian"])
