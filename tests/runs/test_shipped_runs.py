"""Every shipped run, with every ablation and overlay, takes one step on a real clip."""

import itertools

import pytest
import torch

from mirasol import config
from mirasol.data.av_shapes.files import media_path
from mirasol.data.av_shapes.maker import ensure_made
from mirasol.data.av_shapes.spec import variant
from mirasol.data.references import ClipReference, Question
from mirasol.data.task_service import TaskService
from mirasol.gin_files import runs, shipped_folder, sweeps
from mirasol.training.step import train_step


def files(folder):
    return [f"{folder}/{path.name}" for path in sorted((shipped_folder() / folder).glob("*.gin"))]


RUNS = runs()
CHANGES = [None, *sorted({*files("ablations")} - {*sweeps()}), *files("overlays")]


@pytest.fixture(scope="module")
def clip(data):
    folder = ensure_made(variant("av_shapes_tiny"), data)
    row = {"origin": "here"}
    questions = tuple(
        Question(str(i), "what colour comes first", "red", "sight", row) for i in range(3)
    )
    return ClipReference(str(media_path(folder, 0)), None, None, questions, "here")


@pytest.mark.parametrize(("run", "change"), [*itertools.product(RUNS, CHANGES)])
def test_one_step(run, change, clip):
    experiment = config.load([run, *([change] if change else [])]).build()
    converter, recipe = experiment.converter, experiment.trainer.optimizer
    asked = clip.questions[: converter.shape.questions]
    batch = converter.batch([converter.example(clip, asked)])
    model = experiment.build_model().train()
    optimizer = recipe.build(model, {})
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    recipe.set_rate(optimizer, 0)
    values = train_step(model, optimizer, batch, experiment.trainer.clip_norm)
    assert all(value.isfinite() for value in values.values()), values
    moved = [name for name, p in model.named_parameters() if not torch.equal(p, before[name])]
    assert any(name.startswith("text_decoder") for name in moved)
    assert bool(batch.has_video_BT.any()) == (change not in NO_VIDEO)
    assert bool(batch.has_audio_BT.any()) == (change not in NO_AUDIO)


NO_VIDEO = ("ablations/without_video.gin", "ablations/question_only.gin")
NO_AUDIO = ("ablations/without_audio.gin", "ablations/question_only.gin")


def test_their_tasks_and_splits_are_registered():
    experiments = [config.load([run]).build() for run in RUNS]
    with TaskService() as service:
        for experiment in experiments:
            for stage in experiment.training.stages:
                service.check(stage.task, experiment.training.split)
            for task in experiment.evaluation.tasks:
                service.check(task, experiment.evaluation.split)
