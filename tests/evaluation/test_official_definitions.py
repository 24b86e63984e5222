"""Scores against the sets' own evaluations, computed another way: from two files, joined by id.

made-up annotation file -> reader -> rows -> metric        -> our score
                       \\             \\-> submission file -\\
                        \\----------------------------------> theirs

The official scripts walk over the annotation and look each prediction up by its id. A tenth of the
videos is missing, so that their questions have no prediction; where an official script counts, they
count as wrong. Other answers are right, wrong, empty, or one of two equal options.
"""

from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pytest
from synthetic import NEXT_TYPES, write_csv, write_json
from taxonomy import STOP_WORDS, WORDS, Taxonomy, content_words, wups_by_definition

from mirasol.data.benchmarks.activitynet_qa import TYPES
from mirasol.data.benchmarks.catalog import BENCHMARKS
from mirasol.data.benchmarks.reading import SplitReader
from mirasol.evaluation.question_answering import activitynet_answers, option_answers
from mirasol.evaluation.submissions import submission
from mirasol.evaluation.wups import wups_by_type

VIDEOS, QUESTIONS = 60, 5
HEAD = ["video", "frame_count", "width", "height", "question", "answer", "qid", "type"]


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("MIRASOL_DATA", str(tmp_path))
    return tmp_path


def touch_media(folder, videos):
    """Lays an empty file for nine videos in ten."""
    for number, video in enumerate(videos):
        if number % 10:
            (folder / f"{video}.mp4").write_bytes(b"")


def read(name):
    """Returns the rows that can be asked, and how many the annotation has."""
    reader = SplitReader(BENCHMARKS[name], "test")
    rows = [question.row for clip in reader for question in clip.questions]
    assert (len(rows), reader.report.rows) == (270, VIDEOS * QUESTIONS)
    assert reader.report.bad_rows == 0
    return rows, reader.report.rows


def submitted(name, rows, answers):
    _, content = submission(name, rows, answers, None)
    return json.loads(content)


def test_activitynet_qa(root, rng):
    words = ["kite", "two", "yes", "no", "pier", "red boat"]
    ids = [f"v_mock{v}_{q}" for v in range(VIDEOS) for q in range(QUESTIONS)]
    questions = [
        {"question_id": name, "question": f"what is {name}", "video_name": name[2:].split("_")[0]}
        for name in ids
    ]
    truth = [
        {"question_id": name, "answer": str(rng.choice(words)), "type": int(rng.integers(9))}
        for name in ids
    ]
    folder = root / "activitynet_qa"
    write_json(folder / "test_q.json", questions)
    write_json(folder / "test_a.json", truth)
    touch_media(folder, [f"v_mock{v}" for v in range(VIDEOS)])
    rows, total = read("activitynet_qa")
    answers = [str(rng.choice([row["answer"], "yes", "", "none"])) for row in rows]
    scores = activitynet_answers(rows, answers)

    of = {each["question_id"]: each for each in truth}
    asked = Counter(each["type"] for each in truth)
    right = Counter(
        of[each["question_id"]]["type"]
        for each in submitted("activitynet_qa", rows, answers)
        if each["answer"] == of[each["question_id"]]["answer"]
    )
    assert "" in answers
    assert scores["accuracy"] * len(rows) / total == pytest.approx(
        sum(right.values()) / sum(asked.values())
    )
    for number, name in enumerate(TYPES):
        assert scores[f"accuracy/{name}"] * scores[f"num/{name}"] == pytest.approx(right[number])
        assert 0 < scores[f"num/{name}"] <= asked[number]
    free = sum(right[number] for number in range(3, 9))
    assert scores["accuracy/Free"] * scores["num/Free"] == pytest.approx(free)
    assert scores["num/Free"] == sum(scores[f"num/{name}"] for name in TYPES[3:])


def next_rows(rng):
    """Returns rows of NExT-QA without their answers."""
    return [
        [str(500 + v), 40, 64, 48, f"why is it {v} {q}", None, q, str(rng.choice(NEXT_TYPES))]
        for v in range(VIDEOS)
        for q in range(QUESTIONS)
    ]


def test_nextqa_options(root, rng):
    rows = next_rows(rng)
    for number, row in enumerate(rows):
        options = [f"option {number} {k}" for k in range(5)]
        if number % 8 == 0:
            options[4] = options[1]  # Two equal options.
        row[5] = 4 if number % 16 == 0 else int(rng.integers(5))
        row += options
    folder = root / "nextqa_mc"
    write_csv(folder / "test.csv", [[*HEAD, "a0", "a1", "a2", "a3", "a4"], *rows])
    touch_media(folder, range(500, 500 + VIDEOS))
    read_rows, total = read("nextqa_mc")
    answers = [
        str(rng.choice([row["answer"], row["answer"], row["options"][2], "", "something else"]))
        for row in read_rows
    ]
    scores = option_answers(read_rows, answers)

    given = submitted("nextqa_mc", read_rows, answers)
    right, asked, lost = Counter(), Counter(), 0
    for row in rows:
        prediction = given.get(f"{row[0]}_{row[6]}", {"prediction": -1, "answer": row[5]})
        assert prediction["answer"] == row[5]
        kind = "TN" if row[7] == "TP" else row[7]
        for name in ("All", kind[0], kind):
            asked[name] += 1
            right[name] += prediction["prediction"] == row[5]
        lost += row[5] == 4 and row[9] == row[12] and prediction["prediction"] == 1
    assert lost  # An answer that another option equals.
    assert "" in answers
    assert scores["accuracy"] * len(read_rows) / total == pytest.approx(right["All"] / asked["All"])
    for name in asked.keys() - {"All"}:
        assert scores[f"accuracy/{name}"] * scores[f"num/{name}"] == pytest.approx(right[name])


def test_nextqa_open(root, rng):
    def text():
        return " ".join(rng.choice(WORDS, size=rng.integers(1, 5)))

    rows = next_rows(rng)
    for number, row in enumerate(rows):
        row[5], row[7] = text(), "DB" if number % 11 == 0 else row[7]
    second = {
        str(video): {str(q): text() for q in range(QUESTIONS)}
        for video in range(500, 500 + VIDEOS, 2)
    }
    folder = root / "nextqa_oe"
    write_csv(folder / "test.csv", [HEAD, *rows])
    write_json(folder / "add_reference_answer_test.json", second)
    (folder / "stopwords.txt").write_text("\n".join(STOP_WORDS))
    touch_media(folder, range(500, 500 + VIDEOS))
    read_rows, _ = read("nextqa_oe")
    answers = [str(rng.choice([row["answer"], text(), text(), ""])) for row in read_rows]
    scores = wups_by_type(read_rows, answers, lexicon=Taxonomy(), stop_words=STOP_WORDS)

    given = submitted("nextqa_oe", read_rows, answers)
    assert "" in answers
    for alpha in (0.0, 0.9):
        values: dict[str, list[float]] = {}
        for row in rows:
            prediction = given.get(row[0], {}).get(str(row[6]))
            if prediction is None:
                continue
            references = [row[5], *filter(None, [second.get(row[0], {}).get(str(row[6]))])]
            kind = "TN" if row[7] == "TP" else row[7]
            value = max(official_value(kind, prediction, each, alpha) for each in references)
            for name in ("", f"/{kind[0]}", f"/{kind}"):
                values.setdefault(name, []).append(value)
        assert {"/C", "/T", "/D", "/DB", "/DC"} <= values.keys()
        for name, each in values.items():
            assert scores[f"wups_{alpha:g}{name}"] == pytest.approx(np.mean(each))
        assert 0.1 < scores[f"wups_{alpha:g}"] < 0.9


def official_value(kind, prediction, answer, alpha):
    if kind in ("DC", "DB"):
        return float(content_words(prediction) == content_words(answer))
    return wups_by_definition(prediction, answer, alpha)
