"""Runs that begin with another one's parameters: the command line, the first step, what follows.

The data road is taken out: a run trains on random clips of its own sizes.
"""

from __future__ import annotations

import json
import shutil
import types
from pathlib import Path

import pytest
import torch

from mirasol import config, training_run
from mirasol.__main__ import main
from mirasol.batch import empty_batch
from mirasol.checkpoint.manager import CheckpointManager
from mirasol.checkpoint.state import model_state
from mirasol.data import task_names
from mirasol.experiment import Experiment
from mirasol.provenance import record

TINY = "--gin_file=runs/av_shapes_tiny.gin"
WARM = "--gin_file=overlays/warm_start.gin"
SHORT = [
    *("TRAIN_STEPS=2", "WARMUP_STEPS=1", "CHECKPOINT_EVERY=1", "BATCH_SIZE=1", "QUESTIONS=2"),
    "EvaluationPlan.tasks=[]",
]


class RandomClips:
    """Batches from the seed and their number alone, as the loader's are."""

    account = types.SimpleNamespace(files=())

    def __init__(self, *, converter, batch_size: int, seed: int, first_batch: int, **others):
        self.next, self.seed = first_batch, seed
        self.shape, self.batch_size = converter.shape, batch_size

    def __iter__(self):
        return self

    def __next__(self):
        generator = torch.Generator().manual_seed(1000 * self.seed + self.next)
        batch = empty_batch(self.shape, self.batch_size)
        batch.video_BTFHWC.random_(0, 256, generator=generator)
        batch.answer_BQR.random_(3, 300, generator=generator)
        self.next += 1
        return batch

    def close(self):
        pass


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path):
    monkeypatch.setattr(training_run, "training_batches", RandomClips)
    monkeypatch.setattr(task_names, "registered", task_names.shipped)
    monkeypatch.setattr(Experiment, "check", lambda self, make=True: {})
    monkeypatch.chdir(tmp_path)


def train(workdir: str, *flags: str) -> int:
    short = [f"--gin.{binding}" for binding in SHORT]
    return main(["train", TINY, *short, *flags, f"--workdir={workdir}", "--runtime=cpu"])


def save_pretrained() -> None:
    """Saves what a training would, without one."""
    model = config.load(["runs/av_shapes_tiny.gin"], ["SEED = 5"]).build().build_model()
    state = {"model": model_state(model), "step": 2}
    CheckpointManager(Path("pretrained/checkpoints")).save(2, state)


def checkpoint(workdir: str, step: int) -> dict:
    return CheckpointManager(Path(workdir) / "checkpoints").read(step)


def equal(ours: dict, theirs: dict) -> bool:
    tensors = {name: value for name, value in ours.items() if isinstance(value, torch.Tensor)}
    return all(torch.equal(value, theirs[name]) for name, value in tensors.items())


def test_fine_tuning_on_other_clips_begins_with_the_pretrained_parameters(caplog):
    assert train("pretrained") == 0
    flags = [
        *(WARM, "--gin.WARM_START='pretrained'", "--gin.CHUNKS=2", "--gin.IMAGE_SIZE=48"),
        "--gin.LEARNING_RATE=1e-30",  # The least there is, 1e-20, moves zeros alone.
        "--gin.AdamW.weight_decay=0.0",
    ]
    assert train("tuned", *flags) == 0
    pretrained, tuned = checkpoint("pretrained", 2), checkpoint("tuned", 2)
    names = [name for name in pretrained if name.startswith("model.")]
    for name in names:
        torch.testing.assert_close(tuned[name], pretrained[name], rtol=0, atol=1e-19)
    # The optimizer started fresh, on other clips.
    assert not equal({n: v for n, v in tuned.items() if n.endswith("exp_avg")}, pretrained)
    told = json.loads(Path("tuned/warm_start.json").read_text())
    assert {f"model.{name}" for name in told["loaded"]} == set(names)
    (start,) = record.starts(Path("tuned/provenance.json"))
    assert start["warm_start"] == told["source"]
    assert start["warm_start"]["folder"].endswith("pretrained/checkpoints/step_00000002")
    assert any(line.startswith("Warm start from ") for line in caplog.messages)
    assert record.starts(Path("pretrained/provenance.json"))[-1]["warm_start"] is None


def test_a_resumed_run_goes_on_from_its_own_checkpoint_and_needs_no_source():
    save_pretrained()
    flags = [WARM, "--gin.WARM_START='pretrained'", "--gin.SEED=1"]
    assert train("tuned", *flags) == 0
    unbroken, report = checkpoint("tuned", 2), Path("tuned/warm_start.json").stat().st_mtime_ns
    shutil.rmtree("tuned/checkpoints/step_00000002")
    shutil.rmtree("pretrained")
    assert train("tuned", *flags) == 0
    assert equal(unbroken, checkpoint("tuned", 2))
    assert Path("tuned/warm_start.json").stat().st_mtime_ns == report
    first, second = record.starts(Path("tuned/provenance.json"))
    assert first["warm_start"] == second["warm_start"]
    shutil.rmtree("tuned/checkpoints")  # Now it would begin again, and the source is gone.
    assert train("tuned", *flags) == 2


def test_what_does_not_fit_stops_it_before_anything_is_written(capfd):
    save_pretrained()
    capfd.readouterr()
    before = sorted(Path().rglob("*"))
    other = "--gin_file=models/combiners/perceiver.gin"
    start = "--gin.WARM_START='pretrained'"
    assert train("tuned", other, WARM, start) == 2
    (said,) = capfd.readouterr().err.splitlines()
    assert said.startswith("mirasol: --gin.WARM_START: WARM_START = 'pretrained' does not fit: ")
    assert "WarmStart.source lacks" in said
    assert "combiner.latents_MD" in said
    assert "parameters that the model has not: combiner." in said
    assert train("tuned", WARM, "--gin.WARM_START='pretraned'") == 2
    said = capfd.readouterr().err
    assert "pretraned is not there; did you mean 'pretrained'?" in said
    assert said.startswith("mirasol: --gin.WARM_START: ")
    assert train("tuned", WARM, start, "--gin.WarmStart.names=['combinr.*']") == 2
    said = capfd.readouterr().err
    assert "nothing is called 'combinr.*'; did you mean 'combiner.*'?" in said
    assert said.startswith("mirasol: --gin.WarmStart.names: ")
    assert sorted(Path().rglob("*")) == before
    allowed = [f"--gin.WarmStart.allow_{kind}=['combiner.*']" for kind in ("missing", "unused")]
    assert train("tuned", other, WARM, start, *allowed) == 0


def test_check_looks_for_the_source_even_where_there_is_no_model(capfd):
    flags = ["--gin.WARM_START='nowhere'", "--gin.DECODER_HEADS=7"]
    assert main(["check", TINY, WARM, *flags]) == 2
    said = capfd.readouterr().err
    assert "WarmStart.source: nowhere is not there" in said
    assert "7 heads" in said


def test_the_checkpoint_that_is_recorded_is_the_one_that_is_read(tmp_path):
    save_pretrained()
    experiment = config.load(
        ["runs/av_shapes_tiny.gin", "overlays/warm_start.gin"], ["WARM_START = 'pretrained'"]
    ).build()
    pinned = experiment.pinned()
    folder = Path("pretrained/checkpoints")
    shutil.copytree(folder / "step_00000002", folder / "step_00000003")
    assert experiment.origin()["folder"].endswith("step_00000003")
    assert pinned.origin()["folder"].endswith("step_00000002")
