"""A run with a batch that makes NaN of everything: stopped, named, resumed; or passed over."""

import json
import math
import os
import signal

import pytest
import torch

from mirasol import config, experiment, session, training_run
from mirasol.checkpoint.manager import CheckpointManager
from mirasol.data import task_service
from mirasol.training import loop
from mirasol.training.bad_steps import BadStepError
from mirasol.training.loop import step_seed
from mirasol.training.step import train_step
from tests.runs import made_up

STEPS, BAD = 12, 7


class Poisoned(made_up.MadeUpTraining):
    """Sound of NaN in batch 7."""

    def __next__(self):
        batch = super().__next__()
        if self.number == BAD:
            batch.audio_BTAS[0] = math.nan
        clip = {"media": f"clip_{self.number}.mp4", "origin": "made up"}
        self.account.clips[self.account.batches] = (clip,)
        self.account.batches += 1
        return batch


@pytest.fixture
def data(monkeypatch):
    monkeypatch.setattr(made_up, "WAIT_S", 0.0)
    monkeypatch.setattr(training_run, "training_batches", Poisoned)
    monkeypatch.setattr(session, "evaluation_batches", made_up.MadeUpEvaluation)
    monkeypatch.setattr(session, "TaskService", made_up.MadeUpService)
    monkeypatch.setattr(task_service, "TaskService", made_up.MadeUpService)
    before = experiment.logging.get_verbosity()
    yield
    experiment.logging.set_verbosity(before)


@pytest.fixture
def load(tmp_path):
    (tmp_path / "run.gin").write_text(made_up.RUN)

    def load(*bindings, files=()):
        bound = [f"TRAIN_STEPS = {STEPS}", *bindings]
        return config.load([str(tmp_path / "run.gin"), *files], bound).build()

    return load


def tensors(workdir, prefix=""):
    saved = CheckpointManager(workdir / "checkpoints").read()
    return {
        name: value
        for name, value in saved.items()
        if isinstance(value, torch.Tensor) and name.startswith(prefix)
    }


def without_the_step(spec):
    """Trains by hand, leaving step 7 out; returns the parameters."""
    trainer, shape = spec.trainer, spec.converter.shape
    model = spec.build_model().train()
    optimizer = trainer.optimizer.build(model, {"fused": True})
    for step in set(range(STEPS)) - {BAD - 1}:
        batch = made_up.made_up_batch(shape, spec.training.batch_size, step + 1)
        torch.manual_seed(step_seed(trainer.seed, step))
        trainer.optimizer.set_rate(optimizer, step)
        train_step(model, optimizer, batch, trainer.clip_norm)
    return dict(model.named_parameters())


def lines(workdir, name):
    return [json.loads(line) for line in (workdir / name).read_text().splitlines()]


def test_a_bad_step_stops_the_run_which_goes_on_past_it(data, load, tmp_path):
    spec, workdir = load(files=["training/ema.gin"]), tmp_path / "stopped"
    with pytest.raises(ValueError, match=r"step 7 is bad: its loss is nan.* clip_7.mp4 ") as error:
        spec.train(workdir, "cpu")
    assert "step 6 is saved in" in str(error.value)
    assert CheckpointManager(workdir / "checkpoints").latest_step() == BAD - 1
    assert [line["step"] for line in lines(workdir, "metrics.jsonl")] == [3, 5, 6]
    (bad,) = lines(workdir, "bad_steps.jsonl")
    assert (bad["step"], bad["action"], bad["loss"]) == (BAD, "stopped", None)
    assert bad["clips"] == [{"media": "clip_7.mp4", "origin": "made up"}]

    spec.train(workdir, "cpu")
    for name, value in without_the_step(spec).items():
        assert torch.equal(tensors(workdir)[f"model.{name}"], value), name

    skipping = load("Guard.skips = 1", files=["training/ema.gin", "training/skip_bad_steps.gin"])
    skipping.train(tmp_path / "skipped", "cpu")
    want, got = tensors(tmp_path / "skipped"), tensors(workdir)
    assert want.pop("guard.row") == 0
    assert want.keys() == got.keys()
    assert [name for name, value in want.items() if not torch.equal(got[name], value)] == []
    assert any(name.startswith("average.") for name in want)
    metrics = [lines(folder, "metrics.jsonl") for folder in (workdir, tmp_path / "skipped")]
    assert metrics[0] == metrics[1]
    assert [line["skipped_steps"] for line in metrics[0] if line["split"] == "train"] == [
        0,
        0,
        1,
        0,
    ]
    assert all(line["peak_memory_bytes"] > 1e6 for line in lines(workdir, "speed.jsonl"))


def test_a_broken_off_run_with_a_mean_and_skips_is_the_unbroken_one(data, load, tmp_path):
    files = ["training/ema.gin", "training/skip_bad_steps.gin", "optimizers/muon.gin"]
    load(files=files).train(tmp_path / "whole", "cpu")
    load("Trainer.steps = 8", files=files).train(tmp_path / "broken", "cpu")
    load(files=files).train(tmp_path / "broken", "cpu")
    want, got = tensors(tmp_path / "whole"), tensors(tmp_path / "broken")
    assert want.keys() == got.keys()
    assert [name for name, value in want.items() if not torch.equal(got[name], value)] == []


def test_a_signal_that_meets_a_bad_step_saves_the_state_before_it(
    data, load, tmp_path, monkeypatch
):
    calls = []

    def stopped_in_the_bad_step(*arguments, **options):
        calls.append(1)
        if len(calls) == BAD:
            os.kill(os.getpid(), signal.SIGTERM)
        return train_step(*arguments, **options)

    monkeypatch.setattr(loop, "train_step", stopped_in_the_bad_step)
    with pytest.raises(BadStepError, match=r"step 6 is saved in"):
        load("CHECKPOINT_EVERY = 100").train(tmp_path, "cpu")
    assert len(calls) == BAD
    assert CheckpointManager(tmp_path / "checkpoints").latest_step() == BAD - 1


def test_the_mean_answers_where_it_is_told_to(data, load, tmp_path):
    spec = load("Averaging.decay = 0.5", files=["training/ema.gin", "training/skip_bad_steps.gin"])
    spec.train(tmp_path, "cpu")
    for averaged in (True, False):
        chosen = load(f"EvaluationPlan.averaged = {averaged}", files=["training/ema.gin"])
        with session.Session.open(chosen, tmp_path, "cpu") as opened:
            opened.restore_model()
            live = dict(opened.model.named_parameters())
        saved = tensors(tmp_path, "average." if averaged else "model.")
        for name, value in live.items():
            assert torch.equal(saved[f"{'average' if averaged else 'model'}.{name}"], value), name
