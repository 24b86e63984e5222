"""The names of metrics that `check` knows are those that the shipped tasks give.

Every task scores made-up rows in the service, where TensorFlow stays. WUPS has a made-up lexicon.
"""

from __future__ import annotations

import numpy as np
import pytest
import synthetic
from taxonomy import STOP_WORDS, Taxonomy
from toy_media import write_media

from mirasol.data.av_shapes.captions import chunk_captions, clip_captions
from mirasol.data.av_shapes.files import question_rows
from mirasol.data.av_shapes.spec import VARIANTS
from mirasol.data.benchmarks.catalog import PRETRAINING
from mirasol.data.task_names import shipped
from mirasol.data.task_service import TaskService, _of_all
from mirasol.evaluation.class_scores import ClassScores
from mirasol.evaluation.metric_names import EVALUATION, metric_names, unknown_metric
from mirasol.evaluation.wups import wups_by_type

SHAPES = next(each for each in VARIANTS.values() if each.name == "av_shapes_tiny")
BENCHMARKS = sorted(set(metric_names()) - {name for name in shipped() if "av_shapes" in name})


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    """On a data root with every set, on one small mp4, and a manifest."""
    made = tmp_path_factory.mktemp("data")
    media = write_media(made / "clip.mp4")
    for name in synthetic.SETS:
        synthetic.make(made, name, media)
    row = {"media": "clip.mp4", "label": "gull", "type": "bird"}
    synthetic.write_json(made / "manifest.jsonl", row)
    with pytest.MonkeyPatch.context() as patch, TaskService() as opened:
        patch.setenv("MIRASOL_DATA", str(made))
        patch.setenv("MIRASOL_WORDNET", "none")
        patch.setenv("MIRASOL_MANIFEST", str(made / "manifest.jsonl"))
        yield opened


def rows_of(service, task):
    """The questions of a split whose answers are known."""
    split = "train" if task == "manifest" else "reported"
    return [each.row for clip in service.references(task, split) for each in clip.questions]


def scored(service, task, rows):
    classes = service.classes(task)
    values = ClassScores(classes, np.zeros((len(rows), len(classes)))) if classes else None
    found = service.score(task, rows, ["gull"] * len(rows), values)
    if task == "nextqa_oe":
        given = ["gull"] * len(rows)
        found |= wups_by_type(rows, given, lexicon=Taxonomy(), stop_words=STOP_WORDS)
        found |= _of_all(found, len(rows))
    return found


def require_the_same(task, found):
    known = metric_names()[task]
    assert {name for name in found if name not in known} == set()
    heads = {name.partition("/")[0] for name in found}
    assert heads == {*known.grouped, *known.whole} - {*EVALUATION}
    assert {name.partition("/")[0] for name in found if "/" in name} == (
        set() if known.groups == () else {*known.grouped}
    )


@pytest.mark.parametrize("task", BENCHMARKS)
def test_a_public_set_gives_what_is_known(service, task):
    require_the_same(task, scored(service, task, rows_of(service, task)))


@pytest.mark.parametrize("suffix", ["", "_joint", "_sight", "_order", "_motion", "_parts"])
def test_av_shapes_gives_what_is_known(service, suffix):
    task = f"av_shapes_tiny{suffix}"
    groups = metric_names()[task].groups
    rows = [row for index in range(8) for row in question_rows(SHAPES, "train", index)]
    mine = [row for row in rows if row["type"] in groups]
    found = scored(service, task, mine)
    require_the_same(task, found)
    assert {name.partition("/")[2] for name in found} == {"", *groups}


@pytest.mark.parametrize(
    ("suffix", "captions"), [("_captions", clip_captions), ("_chunk_captions", chunk_captions)]
)
def test_captions_give_what_is_known(service, suffix, captions):
    rows = [row for index in range(8) for row in question_rows(SHAPES, "train", index)]
    task = f"av_shapes_tiny{suffix}"
    require_the_same(task, scored(service, task, list(captions(rows))))


def test_every_shipped_task_that_can_be_scored_is_known():
    unscored = {"pretraining", "evaluation_suite", *(each.name for each in PRETRAINING)}
    assert set(metric_names()) == set(shipped()) - unscored


@pytest.mark.parametrize(
    ("task", "metric", "said"),
    [
        ("av_shapes_4_joint", "acuracy", "did you mean 'accuracy'?"),
        ("av_shapes_4_joint", "accuracy/hering", "did you mean 'accuracy/hearing'?"),
        ("av_shapes_4_sight", "accuracy/hearing", "has no metric 'accuracy/hearing'"),
        ("av_shapes_4_joint", "num_broken/hearing", "has no metric 'num_broken/hearing'"),
        ("manifest", "acuracy/gull", "did you mean 'accuracy/gull'? (it has: accuracy,"),
        ("manifest", "accuracy/", "also with /GROUP"),
        ("activitynet_qa", "accuracy/Yes/No", ""),
        ("manifest", "accuracy/anything", ""),
        ("webvid", "accuracy", "is not scored; name a task that is (AV-Shapes, manifest,"),
        ("somebody_s_own", "anything", ""),
    ],
)
def test_a_name_that_is_none_is_told_with_the_nearest(task, metric, said):
    told = unknown_metric(task, metric)
    assert said in told if said else told == ""
