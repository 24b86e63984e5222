"""The gin files that come with the package, read but not run."""

from __future__ import annotations

import re

import pytest

from mirasol import config
from mirasol.data import task_names
from mirasol.data.broken_media import Skip, Stop
from mirasol.gin_files import runs, shipped_folder, sweeps

SHIPPED = shipped_folder()
COMMON_MACROS = {
    "TRAIN_STEPS",
    "BATCH_SIZE",
    "SEED",
    "LEARNING_RATE",
    "CHECKPOINT_EVERY",
    "EVAL_EVERY",
    "DROPOUT",
    "MASK_RATIO",
    "WARMUP_STEPS",
    "EVAL_CLIPS",
    "LOG_EVERY",
    "SHUFFLE",
}


def names(folder: str) -> list[str]:
    return sorted(f"{folder}/{path.name}" for path in (SHIPPED / folder).glob("*.gin"))


RUNS = runs()
# What runs share, and no run itself.
PARTS_OF_RUNS = {"runs/trainer.gin", "runs/finetuning.gin"}
FINETUNING = [name for name in RUNS if name.startswith("runs/finetune_")]
ABLATIONS = sorted(set(names("ablations")) - set(sweeps()))
SIZES = [name for name in names("models") if name != "models/mirasol.gin"]


def test_there_are_runs_overlays_and_ablations():
    assert "runs/av_shapes_tiny.gin" in RUNS
    assert {"overlays/tiny.gin", "overlays/deterministic.gin"} <= set(names("overlays"))
    assert ABLATIONS


def test_every_file_of_the_folder_of_runs_is_a_run_or_a_part():
    assert set(RUNS) == set(names("runs")) - PARTS_OF_RUNS
    assert len(FINETUNING) == 8


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("run", FINETUNING)
def test_every_set_is_fine_tuned_in_every_size(run, size):
    spec = config.load([run, size, "data/frames_128.gin"])
    assert spec.macros["TASK"] == run.removeprefix("runs/finetune_").removesuffix(".gin")
    assert spec.macros["WIDTH"] == config.load(["runs/av_shapes.gin", size]).macros["WIDTH"]
    experiment = spec.build()
    assert experiment.evaluation.tasks == [experiment.training.stages[0].task]
    assert experiment.converter.shape.chunks == 16


@pytest.mark.parametrize("name", names("evaluation"))
def test_an_evaluation_asks_for_every_clip_of_the_reported_split(name):
    plan = config.load(["runs/finetune_msvd_qa.gin", name]).build().evaluation
    assert (plan.split, plan.max_clips) == ("reported", None)
    assert len(plan.tasks) == (8 if name == "evaluation/suite.gin" else 1)


def test_the_folder_holds_no_python():
    # A module in a folder called `gin` would hide gin-config.
    assert list(SHIPPED.rglob("*.py")) == []


@pytest.mark.parametrize("run", RUNS)
def test_a_run_is_whole_and_its_text_can_be_read_alone(run, tmp_path):
    spec = config.load([run])
    assert spec.macros.keys() >= COMMON_MACROS
    for text in (spec.declared, spec.operative):
        (tmp_path / "alone.gin").write_text(text)
        assert config.load([str(tmp_path / "alone.gin")]).meaning == spec.meaning


@pytest.mark.parametrize("change", [*names("overlays"), *ABLATIONS, *names("data/sampling")])
@pytest.mark.parametrize("run", RUNS)
def test_every_overlay_and_ablation_changes_every_run(run, change):
    spec = config.load([run, change])
    assert spec.meaning != config.load([run]).meaning
    experiment = spec.build()
    assert experiment.name == config.load([run]).build().name
    assert not [task for task, _ in experiment.reads() if task_names.unknown_task(task)]
    assert not [pair for pair in experiment.reads() if task_names.unknown_split(*pair)]


@pytest.mark.parametrize("run", RUNS)
def test_the_deterministic_overlay_leaves_no_chance(run):
    macros = config.load([run, "overlays/deterministic.gin"]).macros
    assert (macros["DROPOUT"], macros["MASK_RATIO"], macros["SHUFFLE"]) == (0.0, 0.0, False)


@pytest.mark.parametrize("name", names("data/augmentation"))
def test_augmentation_is_of_training_and_off_by_default(name):
    assert list(config.load(["runs/manifest.gin"]).build().training.augmentations) == []
    assert config.load(["runs/manifest.gin", name]).build().training.augmentations


def test_the_share_of_broken_media_can_be_bound():
    run = "runs/manifest.gin"
    default = config.load([run]).build()
    assert default.training.broken_media == Skip(max_share=0.2)
    assert default.evaluation.broken_media == Skip(max_share=1.0)
    share = ["Skip.max_share = 0.05"]
    bound = config.load([run, "data/broken_media_skip.gin"], share).build()
    assert bound.training.broken_media == Skip(max_share=0.05)
    strict = config.load([run, "data/broken_media_stop.gin"]).build()
    assert strict.training.broken_media == strict.evaluation.broken_media == Stop()


@pytest.mark.parametrize("name", [*RUNS, *names("overlays"), *ABLATIONS, *names("data/sampling")])
def test_a_file_says_what_it_is_and_how_to_run_it(name):
    header = re.match(r"(#.*\n)+", (SHIPPED / name).read_text())
    assert header
    assert "python -m mirasol train" in header[0]
