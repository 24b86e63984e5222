"""Every set walks the whole road by the commands that a person types, on the shipped runs, small.

made-up annotation, mp4 files in the official naming -> train -> eval -> the set's submission file
                                                              -> the same by choice among options
sets of captions -> train -> infer

What a submission must look like: submissions.py.
"""

from __future__ import annotations

import functools
import json
import math
from pathlib import Path

import pytest
import synthetic
import torch
from captions import CAPTIONS, write_captions
from submissions import SUBMISSIONS
from toy_media import write_media

from mirasol import workdirs
from mirasol.__main__ import main
from mirasol.batch import EOS_ID, PAD_ID
from mirasol.checkpoint.manager import CheckpointManager
from mirasol.checkpoint.state import model_state
from mirasol.data.references import ClipReference, Question

SMALL = {
    "TRAIN_STEPS": 1,
    "WARMUP_STEPS": 0,
    "BATCH_SIZE": 2,
    "EVAL_CLIPS": 2,
    "IMAGE_SIZE": 32,
    "ANSWER_LENGTH": 8,
    "LOG_EVERY": 1,
}


REPORTED = "--gin_file=evaluation/reported.gin"


CHOOSING = "--gin_file=decoding/choosing.gin"


CLASSES = {"epic_sounds": 3, "vggsound": 3, "kinetics_sounds": 32}


SPLIT = {"epic_sounds": "validation", "kinetics_sounds": "validation"}


def give(*arguments: str) -> None:
    assert main([*arguments, "--runtime=cpu"]) == 0


def json_lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def train(workdir: Path, *files: str, **bindings: object) -> Path:
    """Trains a run made small; returns its workdir."""
    bound = [f"--gin.{name}={value!r}" for name, value in (SMALL | bindings).items()]
    give("train", *(f"--gin_file={file}" for file in files), f"--workdir={workdir}", *bound)
    (step, *_) = metrics = json_lines(workdir / "metrics.jsonl")
    assert (step["split"], step["step"]) == ("train", 1)
    assert all(math.isfinite(line["loss"]) for line in metrics if line["split"] == "train")
    return workdir


def predictions(folder: Path, name: str) -> list[dict]:
    (path,) = folder.glob(f"{name}-*-predictions.jsonl")
    return json_lines(path)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A data root with every set, on one small mp4 (32 frames, 1.28 s)."""
    made = tmp_path_factory.mktemp("data")
    media = write_media(made / "clip.mp4")
    for name in synthetic.SETS:
        synthetic.make(made, name, media)
    (made / "msrvtt_qa" / "video90021.mp4").unlink()  # Half of its test split.
    write_captions(made, media)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MIRASOL_DATA", str(made))
        patch.setenv("MIRASOL_WORDNET", "none")
        patch.setenv("MIRASOL_MANIFEST", "")  # The runs set it; put back at the end.
        yield made


@pytest.fixture(scope="module")
def walk(root, tmp_path_factory):
    """Returns a function: name of a benchmark -> folder of its results; trains once."""

    @functools.cache
    def walked(name: str) -> Path:
        workdir = train(tmp_path_factory.mktemp("runs") / name, f"runs/finetune_{name}.gin")
        give("eval", f"--workdir={workdir}", REPORTED)
        return workdir / "eval" / "reported"

    return walked


@pytest.fixture(scope="module")
def choose(walk):
    """Returns a function: name of a benchmark -> folder of its results by choice; once each."""

    @functools.cache
    def chosen(name: str) -> Path:
        workdir = walk(name).parent.parent
        give("eval", f"--workdir={workdir}", REPORTED, CHOOSING)
        return workdir / "eval" / "reported,choosing"

    return chosen


@pytest.mark.parametrize("name", synthetic.SETS)
def test_every_question_of_the_reported_split_is_counted(walk, name):
    folder = walk(name)
    _, questions = synthetic.COUNTS[name][SPLIT.get(name, "test")]
    missing = 3 if name == "msrvtt_qa" else 0
    scores = json.loads((folder / f"{name}-reported.json").read_text())
    assert scores["step"] == 1
    assert scores["num_examples"] == scores["num"] == questions - missing
    assert (scores["num_total"], scores["num_missing"]) == (questions, missing)
    share = (questions - missing) / questions
    assert scores["accuracy_of_all"] == pytest.approx(scores["accuracy"] * share)
    assert len(predictions(folder, name)) == questions - missing


@pytest.mark.parametrize("name", synthetic.SETS)
def test_the_submission_is_what_the_set_asks_for(walk, choose, root, name):
    if name == "epic_sounds":  # It wants a score for every class.
        assert not list(walk(name).glob("*-submission.*"))
    folder = choose(name) if name == "epic_sounds" else walk(name)
    answers = {row["id"]: row["prediction"] for row in predictions(folder, name)}
    SUBMISSIONS[name](root / name, folder / f"{name}-reported-submission", answers)


SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    "name",
    [
        "epic_sounds",
        pytest.param("vggsound", marks=SLOW),
        pytest.param("kinetics_sounds", marks=SLOW),
    ],
)
def test_a_score_of_every_class_gives_the_ranking_metrics(choose, name):
    folder = choose(name)
    scores = json.loads((folder / f"{name}-reported.json").read_text())
    assert scores["top_1"] == scores["accuracy"]
    assert scores["top_5"] >= scores["top_1"]
    assert 0 < scores["mAP"] <= 1
    assert {len(row["scores"]) for row in predictions(folder, name)} == {CLASSES[name]}


def test_what_is_chosen_is_an_option(choose):
    folder = choose("nextqa_mc")
    scores = json.loads((folder / "nextqa_mc-reported.json").read_text())
    assert scores["num_no_option"] == 0
    assert len(predictions(folder, "nextqa_mc")) == 8


def test_the_score_of_an_option_is_the_sum_of_its_tokens_log_probabilities(choose):
    """By the pass that training makes, one option at a time, with the saved parameters."""
    folder = choose("nextqa_mc")
    workdir = folder.parent.parent
    experiment = workdirs.read(workdir).build()
    model, converter = experiment.build_model().eval(), experiment.converter
    CheckpointManager(workdir / "checkpoints").restore(
        {"model": model_state(model)}, allow_unused=["optimizer.*", "step", "run.*"]
    )
    options = synthetic.NEXT_OPTIONS
    for row in predictions(folder, "nextqa_mc")[:3]:
        asked = Question(row["id"], row["question"], "", "", {})
        clip = ClipReference(row["media"], None, None, (asked,), "")
        batch = converter.batch([converter.example(clip, [asked])])
        with torch.no_grad():
            memory = model.remember(model.encode(batch))
            sums = []
            for option in options:
                ids = torch.tensor([*converter.vocabulary.encode(option), EOS_ID])
                ids_BQR = torch.full((*batch.question_BQ.shape, len(ids)), PAD_ID)
                ids_BQR[0, 0] = ids
                logits_RV = model.text_decoder(memory, batch.prompt_BQP, ids_BQR)[0, 0].double()
                log_p_RV = logits_RV - logits_RV.exp().sum(-1, keepdim=True).log()
                sums.append(sum(log_p_RV[r, token].item() for r, token in enumerate(ids)))
        assert row["scores"] == pytest.approx(sums, abs=2e-4)
        assert row["prediction"] == options[sums.index(max(sums))]


@pytest.fixture(scope="module")
def pretrained(root, tmp_path_factory):
    """A workdir: a step on each set of captions, then one on their mixture, which is the run's."""
    folder = tmp_path_factory.mktemp("pretraining")
    lines = ["from __gin__ import dynamic_registration", "from mirasol import experiment"]
    lines.append("from mirasol.data import loader")
    lines += [f"{name}/loader.Stage.task = '{name}'" for name in CAPTIONS]
    lines += [f"{name}/loader.Stage.batches = 1" for name in CAPTIONS]
    stages = ", ".join(f"@{name}/loader.Stage()" for name in CAPTIONS)
    lines.append(f"experiment.TrainingData.stages = [{stages}, @loader.Stage()]")
    (folder / "each.gin").write_text("\n".join(lines))
    files = ("runs/pretraining.gin", str(folder / "each.gin"))
    workdir = train(folder / "run", *files, TRAIN_STEPS=1 + len(CAPTIONS))
    steps = json_lines(workdir / "metrics.jsonl")
    assert [row["step"] for row in steps if row["split"] == "train"] == [1, 2, 3, 4, 5, 6]
    assert (workdir / "eval" / "msrvtt_qa-validation.json").is_file()
    return workdir


@pytest.mark.parametrize("name", CAPTIONS)
def test_captions_are_trained_on_and_written(pretrained, tmp_path, name):
    output = tmp_path / "captions.jsonl"
    give(
        *("infer", f"--workdir={pretrained}", f"--task={name}"),
        *("--split=train", f"--output={output}"),
    )
    rows = json_lines(output)
    assert [(row["question"], row["answer"]) for row in rows] == CAPTIONS[name]
    assert all(isinstance(row["prediction"], str) for row in rows)


@pytest.mark.parametrize("file", ["manifest.jsonl", pytest.param("manifest.csv", marks=SLOW)])
def test_a_manifest_is_trained_on_and_evaluated(root, tmp_path, file):
    workdir = train(tmp_path / "run", "runs/manifest.gin", MANIFEST=str(root / file))
    give("eval", f"--workdir={workdir}")
    scores = json.loads((workdir / "eval" / "manifest-validation.json").read_text())
    assert (scores["num_examples"], scores["num_total"], scores["num_missing"]) == (1, 2, 1)
    (row,) = predictions(workdir / "eval", "manifest")
    assert (row["question"], row["answer"]) == ("what is it", "gull")
    assert not list((workdir / "eval").glob("*-submission.*"))  # No set's format.
