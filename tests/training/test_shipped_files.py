"""The gin files of optimizers, schedules and of what else trains: each changes a run, and works."""

import pytest
import torch

from mirasol import config
from mirasol.batch import EOS_ID, empty_batch
from mirasol.gin_files import shipped_folder
from mirasol.training.step import train_step

RUN, TINY = "runs/av_shapes_tiny.gin", "overlays/tiny.gin"
FILES = [
    f"{folder}/{path.name}"
    for folder in ("optimizers", "schedules", "training")
    for path in sorted((shipped_folder() / folder).glob("*.gin"))
]


def test_there_are_some_of_each():
    assert len(FILES) >= 12


@pytest.mark.parametrize("name", FILES)
def test_each_changes_a_run_takes_a_step_and_says_how(name):
    header = (shipped_folder() / name).read_text().partition("\n\n")[0]
    assert f"--gin_file={name}" in header
    assert "python -m mirasol train" in header
    spec = config.load([RUN, name, TINY])
    assert spec.meaning != config.load([RUN, TINY]).meaning
    experiment = spec.build()
    model, trainer = experiment.build_model().train(), experiment.trainer
    optimizer = trainer.optimizer.build(model, {"fused": True}, trainer.rules)
    trainer.optimizer.set_rate(optimizer, 0)
    batch = empty_batch(experiment.converter.shape, 2)
    batch.answer_BQR[..., -1] = EOS_ID
    before = model.text_decoder.nothing_D.detach().clone()
    values = train_step(model, optimizer, batch, trainer.clip_norm)
    assert values["gradient_norm"].isfinite()
    assert not torch.equal(model.text_decoder.nothing_D, before)


@pytest.mark.parametrize("optimizer", [name for name in FILES if name.startswith("optimizers")])
def test_optimizers_and_schedules_go_together(optimizer):
    for schedule in [name for name in FILES if name.startswith("schedules")]:
        trainer = config.load([RUN, optimizer, schedule]).build().trainer
        names = (type(trainer.optimizer).__name__, type(trainer.optimizer.schedule).__name__)
        assert names[0].lower() in optimizer
        assert names[1].lower().removeprefix("warmup") in schedule.replace("_", "")
