"""The metrics of sets of questions, against the official definitions computed another way.

The official scripts walk over the annotation, look each prediction up by its id, and add up per
type; a question without a prediction counts as wrong. Here the same is computed from made-up
tables, by id, with plain loops.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from mirasol.data.benchmarks.activitynet_qa import TYPES
from mirasol.evaluation.question_answering import (
    activitynet_answers,
    chosen_option,
    option_answers,
    word_answers,
)

WORDS = ["kite", "two", "yes", "no", "pier", "red boat", "", "none"]
NEXT_TYPES = ["CW", "CH", "TN", "TC", "DC", "DL", "DO"]


def activitynet_table(count=300, seed=0):
    rng = np.random.default_rng(seed)
    rows = [
        {
            "id": f"v_{i}",
            "answer": WORDS[rng.integers(5)],
            "type": TYPES[rng.integers(9)],
            "video_id": f"v{i // 4}",
        }
        for i in range(count)
    ]
    # A tenth has no prediction; some are empty.
    predictions = {
        row["id"]: WORDS[rng.integers(8)] if rng.random() < 0.6 else row["answer"]
        for row in rows
        if rng.random() < 0.9
    }
    return rows, predictions


def test_activitynet_equals_a_count_by_id():
    rows, predictions = activitynet_table()
    right, asked = Counter(), Counter()
    for row in rows:
        for name in ("All", row["type"], *(["Free"] if TYPES.index(row["type"]) >= 3 else [])):
            asked[name] += 1
            right[name] += predictions.get(row["id"]) == row["answer"]
    assert len(predictions) < len(rows)
    assert "" in predictions.values()

    answered = [row for row in rows if row["id"] in predictions]
    scores = activitynet_answers(answered, [predictions[row["id"]] for row in answered])
    # Over all rows of the annotation, as the official script divides.
    assert scores["accuracy"] * len(answered) / len(rows) == pytest.approx(
        right["All"] / asked["All"]
    )
    for name in (*TYPES, "Free"):
        assert scores[f"accuracy/{name}"] * scores[f"num/{name}"] == pytest.approx(right[name])
    assert scores["num/Free"] == sum(scores[f"num/{name}"] for name in TYPES[3:])


def option_table(count=300, seed=1):
    rng = np.random.default_rng(seed)
    rows, predictions = [], {}
    for i in range(count):
        options = [f"option {i} {k}" for k in range(5)]
        if i % 10 == 0:
            options[4] = options[1]  # A tie: two options with the same text.
        index = int(rng.integers(5))
        rows.append(
            {
                "id": f"77_{i}",
                "options": options,
                "answer": options[index],
                "answer_index": index,
                "type": NEXT_TYPES[rng.integers(7)],
                "video_id": f"v{i // 8}",
            }
        )
        draw = rng.random()
        if draw < 0.1:
            continue
        answers = [options[index].upper(), options[int(rng.integers(5))], "", "something else"]
        predictions[f"77_{i}"] = answers[int(rng.choice(4, p=[0.4, 0.4, 0.1, 0.1]))]
    return rows, predictions


def test_options_equal_a_count_of_numbers_by_id():
    rows, predictions = option_table()
    right, asked = Counter(), Counter()
    for row in rows:
        given = predictions.get(row["id"])
        number = next(
            (k for k, text in enumerate(row["options"]) if given and text == given.lower()), None
        )
        for name in ("All", row["type"][0], row["type"]):
            asked[name] += 1
            right[name] += number == row["answer_index"]
    answered = [row for row in rows if row["id"] in predictions]
    scores = option_answers(answered, [predictions[row["id"]] for row in answered])
    assert scores["accuracy"] * len(answered) == pytest.approx(right["All"])
    for name in ("C", "T", "D", *NEXT_TYPES):
        assert scores[f"accuracy/{name}"] * scores[f"num/{name}"] == pytest.approx(right[name])
    lost = [row for row in rows if row["answer_index"] == 4 and row["options"][1] == row["answer"]]
    assert lost, "the table must hold ties on which the second option is the answer"


def test_the_second_of_two_equal_options_cannot_be_chosen():
    row = {"options": ["nap", "wave", "Wave."], "answer_index": 2, "type": "CW", "video_id": "v"}
    assert chosen_option(row, "wave") == 1
    assert option_answers([row], ["wave"])["accuracy"] == 0.0
    assert option_answers([{**row, "answer_index": 1}], ["wave"])["accuracy"] == 1.0


def test_a_text_that_is_no_option_is_counted():
    row = {"options": ["nap", "wave"], "answer_index": 0, "type": "DO", "video_id": "v"}
    scores = option_answers([row, row, row], ["nap", "naps", ""])
    assert scores["num_no_option"] == 2
    assert scores["accuracy"] == pytest.approx(1 / 3)


def test_word_answers_count_per_first_word_and_in_three_styles():
    rows = [
        {"answer": "two", "type": "how", "video_id": 1},
        {"answer": "kite", "type": "what", "video_id": 1},
        {"answer": "cant", "type": "what", "video_id": 2},
    ]
    scores = word_answers(rows, ["2", "the kite.", "(cant)"])
    assert scores["accuracy"] == 0.0
    assert scores["accuracy_vqa"] == 1.0
    assert scores["accuracy_blip"] == pytest.approx(1 / 3)
    assert scores["num/what"] == 2
