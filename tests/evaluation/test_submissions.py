from __future__ import annotations

import json

import numpy as np
import pytest

from mirasol.evaluation.class_scores import ClassScores
from mirasol.evaluation.submissions import submission

SCORES = ClassScores(["gull", "saw", "tap"], np.array([[-3.0, -0.5, -1.0], [-1.0, -2.0, -2.0]]))


def written(name, rows, answers, scores=None):
    extension, content = submission(name, rows, answers, scores)
    assert extension == "json"
    return json.loads(content)


@pytest.mark.parametrize("name", ["msrvtt_qa", "msvd_qa"])
def test_word_sets(name):
    assert written(name, [{"id": "17"}, {"id": "x1"}], ["kite", ""]) == [
        {"id": 17, "answer": "kite"},
        {"id": "x1", "answer": ""},
    ]


def test_activitynet():
    rows = [{"id": "v_a_1"}, {"id": "v_b_2"}]
    assert written("activitynet_qa", rows, ["yes", "red boat"]) == [
        {"question_id": "v_a_1", "answer": "yes"},
        {"question_id": "v_b_2", "answer": "red boat"},
    ]


def test_nextqa_options():
    rows = [
        {"id": "7_0", "options": ["nap", "wave"], "answer_index": 1},
        {"id": "7_1", "options": ["nap", "wave"], "answer_index": 0},
    ]
    assert written("nextqa_mc", rows, ["Wave.", "sing"]) == {
        "7_0": {"prediction": 1, "answer": 1},
        "7_1": {"prediction": -1, "answer": 0},
    }


def test_nextqa_open():
    rows = [
        {"video_id": "7", "qid": "0"},
        {"video_id": "7", "qid": "3"},
        {"video_id": "8", "qid": "0"},
    ]
    assert written("nextqa_oe", rows, ["a", "b", "ü"]) == {
        "7": {"0": "a", "3": "b"},
        "8": {"0": "ü"},
    }


def test_vggsound_quotes_commas():
    rows = [{"id": "-x_000007"}, {"id": "_y_000010"}]
    extension, content = submission("vggsound", rows, ["drums, distant", "gull"], None)
    assert extension == "csv"
    assert content == '-x_000007.mp4,"drums, distant"\n_y_000010.mp4,gull\n'


def test_epic_sounds_needs_scores():
    rows = [{"id": "P91_11_0"}, {"id": "P91_11_1"}]
    assert submission("epic_sounds", rows, ["saw", "gull"], None) is None
    content = written("epic_sounds", rows, ["saw", "gull"], SCORES)
    assert content["challenge"] == "audio_based_interaction_recognition"
    assert content["results"] == {
        "P91_11_0": {"interaction": {"0": -3.0, "1": -0.5, "2": -1.0}},
        "P91_11_1": {"interaction": {"0": -1.0, "1": -2.0, "2": -2.0}},
    }


def test_kinetics_gives_the_best_labels():
    rows = [{"id": "-a_b_000003_000013"}, {"id": "c_000000_000010"}]
    content = written("kinetics_sounds", rows, ["saw", "gull"], SCORES)
    assert list(content["results"]) == ["-a_b", "c"]
    assert [each["label"] for each in content["results"]["-a_b"]] == ["saw", "tap", "gull"]
    assert [each["label"] for each in content["results"]["c"]] == ["gull", "saw", "tap"]
    alone = written("kinetics_sounds", rows, ["saw", "gull"])
    assert alone["results"]["c"] == [{"label": "gull", "score": 1.0}]


def test_other_tasks_have_none():
    assert submission("av_shapes_4", [], [], None) is None
