"""Each benchmark walks the whole road: made-up annotation, a real mp4 in the official naming.

References through seqio, decoded, one training step of a tiny model, one evaluation, the submission
file. TensorFlow stays in processes of its own.
"""

from __future__ import annotations

import csv
import functools
import json

import pytest
import synthetic
import torch
from toy_media import write_media

from mirasol import config
from mirasol.batch import ExampleShape
from mirasol.data.converter import Converter
from mirasol.data.loader import Stage, evaluation_batches, training_batches
from mirasol.data.splits import splits_of
from mirasol.data.task_service import TaskService
from mirasol.evaluation.choices import Chooser
from mirasol.evaluation.evaluator import evaluate
from mirasol.training.step import train_step

SHAPE = ExampleShape(
    chunks=4,
    chunk_frames=8,
    image_size=32,
    chunk_bands=32,
    mel_bins=64,
    questions=4,
    prompt_length=24,
    answer_length=12,
)
TRAINED = (
    *synthetic.SETS,
    *("webvid", "howto100m", "internvid", "valor", "vast", "pretraining", "manifest"),
)
METRIC = {
    "nextqa_oe": "accuracy/C",
    "nextqa_mc": "accuracy/T",
    "activitynet_qa": "accuracy/Free",
    "vggsound": "mean_class_accuracy",
    "epic_sounds": "mean_class_accuracy",
    "kinetics_sounds": "mean_class_accuracy",
}
# EPIC-Sounds wants a score for every class.
SUBMITTED = dict.fromkeys(synthetic.SETS, "json") | {"vggsound": "csv", "epic_sounds": None}


def write_captions(root, media):
    """Writes a manifest, and the sets for pre-training with a clip each."""
    folders = {name: root / name for name in ("webvid", "howto100m", "internvid", "valor", "vast")}
    for folder in folders.values():
        (folder / "videos").mkdir(parents=True)
        (folder / "videos" / "mock.mp4").write_bytes(media.read_bytes())
    rows = [["videoid", "name", "page_dir"], ["mock", "a mock gull", ""]]
    synthetic.write_csv(folders["webvid"] / "results_2M_train.csv", rows)
    spoken = {"mock": {"start": [0.2], "end": [1.1], "text": ["knit one"]}}
    synthetic.write_json(folders["howto100m"] / "caption.json", spoken)
    times = {"Start_timestamp": "00:00:00.100", "End_timestamp": "00:00:01.200"}
    row = {"YoutubeID": "mock", **times, "Caption": "a mock gull"}
    synthetic.write_json(folders["internvid"] / "mock.jsonl", row)
    synthetic.write_json(folders["valor"] / "d.json", [{"video_id": "mock", "desc": "a gull"}])
    row = {"clip_id": "mock", "vision_cap": ["a pier"], "audio_cap": ["a horn"], "vast_cap": "both"}
    synthetic.write_json(folders["vast"] / "a.json", [row])
    row = {"media": "clip.mp4", "label": "gull", "references": ["bird"]}
    synthetic.write_json(root / "manifest.jsonl", row)


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
        patch.setenv("MIRASOL_MANIFEST", str(made / "manifest.jsonl"))
        yield made


@pytest.fixture(scope="module")
def service(root):
    with TaskService() as opened:
        yield opened


@pytest.fixture(scope="module")
def experiment(root):
    return config.load(["runs/av_shapes_tiny.gin"]).build()


@pytest.fixture(scope="module")
def model(experiment):
    return experiment.build_model()


@pytest.fixture(scope="module")
def converter(experiment):
    return Converter(SHAPE, experiment.converter.vocabulary)


@pytest.fixture(scope="module")
def training(root, converter):
    """One batch of each set, from one worker process: a stage a set."""
    stages = [Stage(name, batches=1) for name in TRAINED] + [Stage("msvd_qa")]
    stream = training_batches(stages, "train", converter, batch_size=2, seed=0)
    batches = {name: next(stream) for name in TRAINED}
    stream.close()
    return batches


@pytest.fixture(scope="module")
def evaluation(root, converter):
    """The batches of each set's reported split, of one clip each: through the suite, in turns."""
    stream = evaluation_batches("evaluation_suite", "reported", converter, batch_size=1)
    batches: dict[str, list] = {name: [] for name in synthetic.SETS}
    for batch, clips in stream:
        batches[clips[0].questions[0].row["benchmark"]].append((batch, clips))
    stream.close()
    return batches


def test_registering_reads_nothing_and_knows_the_splits(service):
    for name, counts in synthetic.COUNTS.items():
        info = service.describe(name)
        assert set(info.splits) == {*counts, "reported"}
        assert set(info.num_clips.values()) == {None}


@pytest.mark.parametrize("name", TRAINED)
def test_a_step_of_training(training, experiment, model, name):
    batch = training[name]
    assert batch.question_BQ.any()
    assert batch.has_video_BT.any()
    assert batch.has_audio_BT.any()
    assert batch.video_BTFHWC.float().std() > 0
    optimizer = experiment.trainer.optimizer.build(model, {})
    values = train_step(model.train(), optimizer, batch, experiment.trainer.clip_norm)
    assert all(value.isfinite() for value in values.values())


@pytest.mark.parametrize("name", synthetic.SETS)
def test_an_evaluation_and_its_submission(service, converter, model, evaluation, tmp_path, name):
    scores = evaluated(service, converter, model, tmp_path, name, evaluation)
    _, questions = synthetic.COUNTS[name][REPORTED_SPLIT.get(name, "test")]
    missing = 3 if name == "msrvtt_qa" else 0
    assert scores["num_examples"] == scores["num"] == questions - missing
    assert (scores["num_total"], scores["num_missing"]) == (questions, missing)
    assert scores["num_bad_rows"] == 0
    assert scores["accuracy_of_all"] == pytest.approx(
        scores["accuracy"] * (questions - missing) / questions
    )
    assert METRIC.get(name, "accuracy_vqa") in scores
    lines = (tmp_path / f"{name}-reported-predictions.jsonl").read_text().splitlines()
    assert len(lines) == questions - missing
    submitted = [path.suffix for path in tmp_path.glob("*-submission.*")]
    assert submitted == ([f".{SUBMITTED[name]}"] if SUBMITTED[name] else [])


REPORTED_SPLIT = {"epic_sounds": "validation", "kinetics_sounds": "validation"}


def test_a_manifest_is_evaluated(service):
    row = {"answer": "gull", "references": ["bird"], "benchmark": "manifest", "split": "validation"}
    scores = service.score("manifest", [row, row], ["Bird", "fish"])
    assert (scores["accuracy"], scores["num_total"]) == (0.5, 1)


def test_options_are_scored(service, converter, model, evaluation, tmp_path):
    choose = Chooser(model.eval().score, converter.vocabulary)
    scores = evaluated(service, converter, model, tmp_path, "nextqa_mc", evaluation, choose=choose)
    assert scores["num_no_option"] == 0
    submitted = json.loads((tmp_path / "nextqa_mc-reported-submission.json").read_text())
    assert len(submitted) == 8
    assert all(0 <= each["prediction"] < 5 for each in submitted.values())


@pytest.mark.parametrize("name", ["vggsound", "epic_sounds", "kinetics_sounds"])
def test_classes_are_scored(service, converter, model, evaluation, tmp_path, name):
    classes = service.classes(name)
    choose = Chooser(model.eval().score, converter.vocabulary, classes)
    scores = evaluated(
        service, converter, model, tmp_path, name, evaluation, choose=choose, classes=classes
    )
    assert scores["top_1"] == scores["accuracy"]
    assert scores["top_5"] >= scores["top_1"]
    assert 0 < scores["mAP"] <= 1
    lines = (tmp_path / f"{name}-reported-predictions.jsonl").read_text().splitlines()
    assert all(json.loads(line)["prediction"] in classes for line in lines)
    (path,) = tmp_path.glob("*-submission.*")
    if name == "epic_sounds":
        for each in json.loads(path.read_text())["results"].values():
            assert len(each["interaction"]) == len(classes)
    if name == "vggsound":
        rows = list(csv.reader(path.read_text().splitlines()))
        assert all(file.endswith(".mp4") and label in classes for file, label in rows)


def test_a_check_of_a_mixture_reads_its_sets_without_seqio(service):
    splits = splits_of("evaluation_suite", "reported", lambda: service, 5)
    assert [each.task for each in splits] == sorted(synthetic.SETS)
    reported = {each.task: each.split for each in splits}
    assert reported == {name: REPORTED_SPLIT.get(name, "test") for name in synthetic.SETS}
    for each in splits:
        clips, _ = synthetic.COUNTS[each.task][each.split]
        assert len(list(each.clips())) == clips - (each.task == "msrvtt_qa")


def test_other_tasks_have_no_classes(service):
    assert service.classes("msrvtt_qa") is None


def test_a_set_that_is_not_there_says_so_before_anything_is_written(service, root, monkeypatch):
    moved = (root / "msvd_qa").rename(root / "away")
    try:
        with pytest.raises(ValueError, match=r"msvd_qa, split 'test': no file test_qa.json in"):
            service.prepare("msvd_qa", "reported")
    finally:
        moved.rename(root / "msvd_qa")


def evaluated(service, converter, model, folder, name, evaluation, **options):
    model.eval()
    return evaluate(
        generate=model.generate,
        batches=evaluation[name],
        vocabulary=converter.vocabulary,
        score=functools.partial(service.score, name),
        task=name,
        split="reported",
        step=0,
        directory=folder,
        total=None,
        **options,
    )


def test_a_choice_is_the_likeliest_option_by_the_models_own_score(converter, model, evaluation):
    batch, clips = evaluation["nextqa_mc"][0]
    choose = Chooser(model.eval().score, converter.vocabulary)
    for question in choose(batch, clips)[0]:
        likeliest = max(range(5), key=lambda k: question.scores[k])
        assert question.text == question.question.row["options"][likeliest]
        alone = [
            [*converter.vocabulary.encode(option), 1] for option in question.question.row["options"]
        ]
        longest = max(map(len, alone))
        ids = torch.tensor([ids + [0] * (longest - len(ids)) for ids in alone])
        place = clips[0].questions.index(question.question)
        every = model.score(batch, ids.expand(*batch.question_BQ.shape, 5, longest))
        assert question.scores == pytest.approx(every[0, place].tolist(), abs=1e-5)
