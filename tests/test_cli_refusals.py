"""What a person may get wrong on the command line: one line, code 2, and nothing is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from mirasol.__main__ import main
from tests.toy_experiment import RUN, Experiment, everything_in, stand_in


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path):
    stand_in(monkeypatch, tmp_path)
    return tmp_path


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
    ("train --gin_file=runs/circle.gin --workdir=gs://bucket/a", "gs://bucket/a", "mount"),
    ("train --gin_file=overlays/tiny.gin", "binds Experiment", "runs/"),
    ("check --gin_file=ablations/combiner.gin", "tools/sweep.py --gin_file=ablations", "--dry_run"),
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
    (
        "infer --workdir=workdirs/circle --video=runs/circel.gin --question=x",
        "no media file 'runs/circel.gin'",
        "did you mean 'runs/circle.gin'?",
    ),
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
