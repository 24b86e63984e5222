from __future__ import annotations

import math

import numpy as np
import pytest

from mirasol.evaluation.class_scores import (
    ClassScores,
    class_answers,
    class_score_metrics,
    d_prime,
)

CLASSES = ["gull", "kettle", "saw", "tap", "wind", "bell", "absent"]


def rows_of(labels):
    return [
        {"answer": label, "type": "", "video_id": i, "origin": f"made up row {i}"}
        for i, label in enumerate(labels)
    ]


def table(count=240, seed=2):
    """Scores with ties; the last class never occurs."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(CLASSES[:-1], size=count, p=[0.3, 0.25, 0.2, 0.15, 0.06, 0.04])
    values = np.round(rng.normal(size=(count, len(CLASSES))), 1)
    values[np.arange(count), [CLASSES.index(label) for label in labels]] += 0.8
    return list(labels), values


def average_precision(right, scores):
    """Area under the steps of precision over recall, thresholds from high to low."""
    total, before = 0.0, 0.0
    for threshold in sorted(set(scores), reverse=True):
        chosen = [r for r, s in zip(right, scores, strict=True) if s >= threshold]
        recall = sum(chosen) / sum(right)
        total += (recall - before) * sum(chosen) / len(chosen)
        before = recall
    return total


def area(right, scores):
    """Share of pairs of a clip of the class and another that are in order; a tie counts half."""
    own = [s for r, s in zip(right, scores, strict=True) if r]
    others = [s for r, s in zip(right, scores, strict=True) if not r]
    pairs = [(s > t) + 0.5 * (s == t) for s in own for t in others]
    return sum(pairs) / len(pairs)


def test_the_metrics_equal_plain_loops_over_their_definitions():
    labels, values = table()
    metrics = class_score_metrics(rows_of(labels), ClassScores(CLASSES, values))
    first, five, by_class = [], [], {}
    for label, row in zip(labels, values, strict=True):
        index = CLASSES.index(label)
        better = [k for k, v in enumerate(row) if v > row[index] or (v == row[index] and k < index)]
        first.append(not better)
        five.append(len(better) < 5)
        by_class.setdefault(label, []).append(not better)
    assert metrics["top_1"] == pytest.approx(np.mean(first))
    assert metrics["top_5"] == pytest.approx(np.mean(five))
    assert metrics["top_1_mean_class"] == pytest.approx(
        np.mean([np.mean(hits) for hits in by_class.values()])
    )
    probability = np.exp(values) / np.exp(values).sum(axis=1, keepdims=True)
    precisions, areas = [], []
    for index, name in enumerate(CLASSES[:-1]):
        right = [label == name for label in labels]
        precisions.append(average_precision(right, probability[:, index]))
        areas.append(area(right, probability[:, index]))
    assert metrics["mAP"] == pytest.approx(np.mean(precisions))
    assert metrics["mAUC"] == pytest.approx(np.mean(areas))
    assert metrics["d_prime"] == pytest.approx(d_prime(np.mean(areas)))
    assert metrics["num_classes"] == 6


def test_d_prime_of_known_areas():
    assert d_prime(0.5) == pytest.approx(0.0)
    assert d_prime(0.9214) == pytest.approx(2.0, abs=1e-3)
    assert d_prime(1.0) == math.inf
    assert d_prime(0.0) == -math.inf


def test_answers_in_words_give_the_mean_over_classes():
    scores = class_answers(rows_of(["gull", "gull", "gull", "saw"]), ["Gull.", "saw", "gull", "x"])
    assert scores["accuracy"] == 0.5
    assert scores["mean_class_accuracy"] == pytest.approx((2 / 3 + 0) / 2)


def test_hidden_answers_are_not_scored():
    rows = [{**row, "hidden": True, "answer": ""} for row in rows_of(["gull", "saw"])]
    assert class_answers(rows, ["gull", "saw"]) == {"num": 2.0}
    assert class_score_metrics(rows, ClassScores(CLASSES, np.zeros((2, 7)))) == {}


def test_one_class_alone_has_no_area():
    metrics = class_score_metrics(rows_of(["gull"] * 3), ClassScores(CLASSES, np.zeros((3, 7))))
    assert math.isnan(metrics["mAUC"])
    assert metrics["top_1"] == 1.0  # All tie; the first class wins.


def test_an_answer_that_is_no_class_is_named():
    with pytest.raises(ValueError, match="made up row 1: 'owl' is none of the 7 classes"):
        class_score_metrics(rows_of(["gull", "owl"]), ClassScores(CLASSES, np.zeros((2, 7))))


def test_scores_that_are_not_numbers_are_refused():
    with pytest.raises(ValueError, match="NaN"):
        class_score_metrics(rows_of(["gull"]), ClassScores(CLASSES, np.full((1, 7), np.nan)))
