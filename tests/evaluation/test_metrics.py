from __future__ import annotations

import numpy as np
import pytest

from mirasol.evaluation.metrics import bootstrap_interval, exact_match_by_type, normalise

# Four clips; what is right, counted by hand: sight 3 of 4, hearing 1 of 3, all 4 of 8.
ROWS = [
    {"video_id": 1, "type": "sight", "answer": "red", "chance": 0.25, "bag_oracle": 0.5},
    {"video_id": 1, "type": "hearing", "answer": "two", "chance": 0.5, "bag_oracle": 1.0},
    {"video_id": 2, "type": "sight", "answer": "blue", "chance": 0.25, "bag_oracle": 1.0},
    {"video_id": 2, "type": "hearing", "answer": "low", "chance": 0.5, "bag_oracle": 0.5},
    {"video_id": 3, "type": "sight", "answer": "ring", "chance": 0.25, "bag_oracle": 0.5},
    {"video_id": 3, "type": "hearing", "answer": "low", "chance": 0.2, "bag_oracle": 0.5},
    {"video_id": 4, "type": "sight", "answer": "left", "chance": 0.25, "bag_oracle": 0.6},
    {"video_id": 4, "type": "", "answer": "none", "chance": 0.1, "bag_oracle": 0.1},
]
PREDICTIONS = ["Red.", "two", " blue ", "", "ring", "high", "right", "nothing"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  Yes ", "yes"),
        ("yes.", "yes"),
        ("yes .", "yes"),
        ("wait...", "wait.."),
        ("a\t big\n\u00a0dog", "a big dog"),
        ("ＡＢ①", "ab1"),
        ("ﬁre", "fire"),
        ("dres", "dres"),
        ("none", "none"),
        (".", ""),
        ("", ""),
    ],
)
def test_normalise_does_what_exact_match_allows_and_nothing_else(text, expected):
    assert normalise(text) == expected


def test_scores_equal_the_hand_count():
    scores = exact_match_by_type(ROWS, PREDICTIONS)
    assert scores["accuracy"] == pytest.approx(4 / 8)
    assert scores["accuracy/sight"] == pytest.approx(3 / 4)
    assert scores["accuracy/hearing"] == pytest.approx(1 / 3)
    assert [scores["num"], scores["num/sight"], scores["num/hearing"]] == [8, 4, 3]
    assert scores["chance/hearing"] == pytest.approx((0.5 + 0.5 + 0.2) / 3)
    assert scores["bag_oracle/sight"] == pytest.approx((0.5 + 1.0 + 0.5 + 0.6) / 4)
    assert scores["bag_oracle"] == pytest.approx(4.7 / 8)
    assert set(scores) == {
        f"{name}{suffix}"
        for name in ("accuracy", "ci95_low", "ci95_high", "num", "chance", "bag_oracle")
        for suffix in ("", "/sight", "/hearing")
    }
    assert all(type(value) is float for value in scores.values())


def test_an_empty_prediction_is_wrong_unless_the_answer_is_empty():
    assert exact_match_by_type([{"answer": "a"}, {"answer": ""}], ["", "."])["accuracy"] == 0.5


def test_equal_answers_of_one_clip_all_count():
    rows = [{"answer": "red", "video_id": 7, "type": "sight"}] * 3
    assert exact_match_by_type(rows, ["red", "red", "blue"])["accuracy/sight"] == pytest.approx(
        2 / 3
    )


def test_levels_are_absent_where_a_row_lacks_them():
    rows = [{"answer": "a", "type": "x", "chance": 0.5}, {"answer": "b", "type": "y"}]
    scores = exact_match_by_type(rows, ["a", "a"])
    assert scores["chance/x"] == 0.5
    assert "chance" not in scores
    assert "chance/y" not in scores


def test_numbered_types_become_names():
    assert exact_match_by_type([{"answer": "a", "type": 3}], ["a"])["accuracy/3"] == 1.0


def test_the_interval_draws_clips_not_questions():
    # 100 clips, 10 questions each, a clip wholly right or wholly wrong: 100 independent facts.
    clips = np.repeat(np.arange(100), 10)
    right = np.repeat(np.arange(100) < 60, 10)
    low, high = bootstrap_interval(right, clips)
    half_width = 1.96 * np.sqrt(0.6 * 0.4 / 100)
    assert (high - low) / 2 == pytest.approx(half_width, rel=0.15)
    alone_low, alone_high = bootstrap_interval(right, np.arange(1000))
    assert (alone_high - alone_low) / 2 == pytest.approx(half_width / np.sqrt(10), rel=0.15)


def test_the_interval_equals_a_plain_loop_of_draws():
    rng = np.random.default_rng(3)
    clips = np.array([5, 5, 9, 9, 9, 2, 7, 7])
    right = np.array([1, 0, 1, 1, 1, 0, 1, 0], dtype=bool)
    means = []
    for _ in range(4000):
        drawn = rng.choice([2, 5, 7, 9], size=4)
        answers = np.concatenate([right[clips == clip] for clip in drawn])
        means.append(answers.mean())
    expected = np.quantile(means, [0.025, 0.975])
    assert bootstrap_interval(right, clips) == pytest.approx(tuple(expected), abs=0.05)


def test_the_interval_is_the_same_every_time_and_whatever_the_clips_are_called():
    rows = [{"answer": "a", "video_id": i // 2} for i in range(20)]
    named = [{"answer": "a", "video_id": f"v{i // 2}"} for i in range(20)]
    predictions = ["a" if i % 3 else "b" for i in range(20)]
    assert exact_match_by_type(rows, predictions) == exact_match_by_type(named, predictions)


def test_videos_of_two_sets_with_one_name_are_two_clips():
    names = [f"v{i % 10}" for i in range(40)]
    sets = ["one"] * 20 + ["two"] * 20
    mixed = [
        {"answer": "a", "benchmark": each, "video_id": name}
        for each, name in zip(sets, names, strict=True)
    ]
    apart = [{**row, "video_id": row["benchmark"] + row["video_id"]} for row in mixed]
    predictions = ["a" if i % 3 else "b" for i in range(40)]
    found = exact_match_by_type(mixed, predictions)
    assert found == exact_match_by_type(apart, predictions)
    one_set = [{**row, "benchmark": "one"} for row in mixed]
    assert found != exact_match_by_type(one_set, predictions)


def test_all_right_is_not_certainty():
    # Exact binomial: the chance to see 24 of 24 at the lower bound is 2.5 %.
    low, high = bootstrap_interval(np.ones(48, dtype=bool), np.repeat(np.arange(24), 2))
    assert high == 1.0
    assert low**24 == pytest.approx(0.025)
    assert bootstrap_interval(np.zeros(24, dtype=bool), np.arange(24)) == pytest.approx(
        (0.0, 1 - low)
    )


def test_one_clip_says_nothing_about_others():
    assert bootstrap_interval(np.ones(5, dtype=bool), np.zeros(5, dtype=int)) == (0.0, 1.0)


def test_lengths_that_differ_are_refused():
    with pytest.raises(ValueError, match="1 predictions for 2 targets"):
        exact_match_by_type([{"answer": "a"}] * 2, ["a"])


def test_nothing_to_score_is_refused():
    with pytest.raises(ValueError, match="no questions"):
        exact_match_by_type([], [])
