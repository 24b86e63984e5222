"""Metrics of sets of classes: from answers, and from a score for every class.

    answers  top-1 accuracy, mean class accuracy
    scores   those, top-5, mAP, mAUC and d', which need to know how sure the model is of each class

Classes that do not occur in a split leave the means over classes. Ties are broken by the order of
the classes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np

from mirasol.evaluation.metrics import exact_match_by_type, normalise, require_pairs

Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class ClassScores:
    """What a model gives each class.

    Attributes:
      classes: names of the O classes.
      values_NO: float [N, O], log-probabilities of N clips.
    """

    classes: Sequence[str]
    values_NO: np.ndarray

    def __len__(self) -> int:
        return len(self.values_NO)


def class_answers(targets: Rows, predictions: Sequence[str]) -> dict[str, float]:
    """Returns the accuracy of answers in words; a seqio predict metric.

    Returns:
      What `exact_match_by_type` returns, `accuracy` being top-1, and `mean_class_accuracy`. Where
      the set keeps its answers to itself (rows that say `hidden`), `num` alone.
    """
    require_pairs(targets, predictions)
    if all(row.get("hidden") for row in targets):
        return {"num": float(len(targets))}
    scores = exact_match_by_type(targets, predictions)
    labels = [normalise(row["answer"]) for row in targets]
    right = [label == normalise(text) for label, text in zip(labels, predictions, strict=True)]
    return scores | {"mean_class_accuracy": _mean_over_classes(np.array(labels), np.array(right))}


def class_score_metrics(targets: Rows, scores: ClassScores) -> dict[str, float]:
    """Returns what scores of every class say; a seqio score metric.

    AP and AUC rank the clips by the probability of a class among the classes: a softmax over them.

    Returns:
      `top_1`, `top_5`, `top_1_mean_class`, `mAP`, `mAUC` and `d_prime` = sqrt(2) z(mAUC), and
      `num_classes`, the classes that occur. Where answers are hidden, nothing.

    Raises:
      ValueError: an answer is no class, a score is not a number, or lengths differ.
    """
    require_pairs(targets, scores)  # type: ignore[arg-type]
    if all(row.get("hidden") for row in targets):
        return {}
    labels_N = _labels(targets, scores.classes)
    values_NO = np.asarray(scores.values_NO, np.float64)
    if np.isnan(values_NO).any():
        raise ValueError("some class scores are not numbers (NaN): has the model diverged?")
    order_NO = np.argsort(-values_NO, axis=1, kind="stable")
    hit_NO = order_NO == labels_N[:, None]
    ap, auc = _ranking(labels_N, _softmax(values_NO))
    return {
        "top_1": float(hit_NO[:, 0].mean()),
        "top_5": float(hit_NO[:, :5].any(axis=1).mean()),
        "top_1_mean_class": _mean_over_classes(labels_N, hit_NO[:, 0]),
        "mAP": ap,
        "mAUC": auc,
        "d_prime": d_prime(auc),
        "num_classes": float(len(np.unique(labels_N))),
    }


def d_prime(auc: float) -> float:
    """Returns sqrt(2) times the standard normal quantile of an AUC; infinite at 0 and 1."""
    if not 0 < auc < 1:
        return math.copysign(math.inf, auc - 0.5) if not math.isnan(auc) else math.nan
    return math.sqrt(2) * NormalDist().inv_cdf(auc)


def _ranking(labels_N: np.ndarray, probability_NO: np.ndarray) -> tuple[float, float]:
    """Returns mAP and mAUC over the classes that occur; AUC needs clips of other classes, too."""
    from sklearn.metrics import average_precision_score, roc_auc_score

    present = np.unique(labels_N)
    precisions, areas = [], []
    for label in present:
        is_class_N, p_N = labels_N == label, probability_NO[:, label]
        precisions.append(average_precision_score(is_class_N, p_N))
        if len(present) > 1:
            areas.append(roc_auc_score(is_class_N, p_N))
    return float(np.mean(precisions)), float(np.mean(areas)) if areas else math.nan


def _labels(targets: Rows, classes: Sequence[str]) -> np.ndarray:
    number = {name: index for index, name in enumerate(classes)}
    for row in targets:
        if row["answer"] not in number:
            raise ValueError(
                f"{row['origin']}: {row['answer']!r} is none of the {len(number)} classes; they "
                "are read from the annotation files: are all of them there?"
            )
    return np.array([number[row["answer"]] for row in targets])


def _softmax(values_NO: np.ndarray) -> np.ndarray:
    exponent_NO = np.exp(values_NO - values_NO.max(axis=1, keepdims=True))
    return exponent_NO / exponent_NO.sum(axis=1, keepdims=True)


def _mean_over_classes(labels: np.ndarray, right: np.ndarray) -> float:
    return float(np.mean([right[labels == label].mean() for label in np.unique(labels)]))
