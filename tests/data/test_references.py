import json

import numpy as np
import pytest

from mirasol.data.references import ClipReference, Question, draw_questions
from mirasol.data.root import data_root


def row(number: int, kind: str = "what") -> dict:
    return {
        "id": number,
        "question": f"question {number}",
        "answer": "ring",
        "type": kind,
        "origin": f"val_qa.json row {number}",
        "chance": 0.25,
    }


def reference(count: int) -> ClipReference:
    questions = tuple(Question.from_row(row(number)) for number in range(count))
    return ClipReference("a.mp4", 1.5, None, questions, "val_qa.json row 0")


def test_features_and_back_keep_everything():
    clip = reference(2)
    features = clip.to_features()
    features["media"] = features["media"].encode()  # As numpy gives TensorFlow's strings.
    features["rows"] = np.array([text.encode() for text in features["rows"]], object)

    back = ClipReference.from_features(features)

    assert back == clip
    assert back.questions[1].row["chance"] == 0.25
    assert back.questions[1].id == "1"


def test_a_row_without_an_answer_is_named():
    broken = row(3)
    del broken["answer"]
    with pytest.raises(ValueError, match=r"val_qa.json row 3 lacks answer"):
        Question.from_row(broken)


def test_a_clip_without_questions_is_refused():
    features = reference(1).to_features() | {"rows": []}
    with pytest.raises(ValueError, match=r"a\.mp4 has no questions"):
        ClipReference.from_features(features)


def test_split_loses_no_question_and_repeats_none():
    parts = reference(5).split(2)
    assert [len(part.questions) for part in parts] == [2, 2, 1]
    ids = [question.id for part in parts for question in part.questions]
    assert ids == ["0", "1", "2", "3", "4"]


def test_drawn_questions_balance_their_types():
    rows = [row(number, "often") for number in range(20)] + [row(20, "rare"), row(21, "odd")]
    questions = [Question.from_row(each) for each in rows]

    drawn = draw_questions(questions, 4, np.random.default_rng(0))

    assert sorted(question.type for question in drawn) == ["odd", "often", "often", "rare"]
    assert len({question.id for question in drawn}) == 4


def test_drawing_is_seeded_and_every_question_gets_its_turn():
    questions = [Question.from_row(row(number)) for number in range(6)]

    def ids(seed: int) -> list[str]:
        return [each.id for each in draw_questions(questions, 2, np.random.default_rng(seed))]

    assert ids(3) == ids(3)
    assert {name for seed in range(30) for name in ids(seed)} == set("012345")
    assert len(draw_questions(questions, 10, np.random.default_rng(0))) == 6


def test_rows_are_json_objects():
    assert json.loads(reference(1).to_features()["rows"][0])["origin"] == "val_qa.json row 0"


def test_the_data_root_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("MIRASOL_DATA", str(tmp_path))
    assert data_root() == tmp_path
    monkeypatch.delenv("MIRASOL_DATA")
    monkeypatch.chdir(tmp_path)
    assert data_root() == tmp_path / "data"


def test_a_file_is_no_data_root(monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("MIRASOL_DATA", str(tmp_path / "file"))
    with pytest.raises(ValueError, match="file is a file; MIRASOL_DATA must name a folder"):
        data_root()
