"""The metrics of sets of questions by hand; on tables: test_official_definitions.py."""

from __future__ import annotations

import pytest

from mirasol.evaluation.question_answering import chosen_option, option_answers, word_answers


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
