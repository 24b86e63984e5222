"""Exact match: overall and per type of question, with 95 % intervals over clips.

Questions about one clip stand or fall together: where a model takes the ring for a square, every
answer that needs the ring is wrong. So the interval draws clips, not questions; drawing
questions would make it too narrow by up to the square root of the questions per clip.
"""

from __future__ import annotations

import math
import unicodedata
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

BOOTSTRAP_RESAMPLES = 1000
BOOTSTRAP_SEED = 0
# The levels that an annotation row may carry: what is known to be reachable without the skill.
LEVELS = ("chance", "bag_oracle")
# Indices drawn at once: bounds the bootstrap's memory at 16 MB for a set of any size.
_DRAWN_AT_ONCE = 2_000_000


def normalise(text: str) -> str:
    """Returns `text` as exact match compares it.

    NFKC, lower case, outer spaces stripped, inner ones collapsed, one final "." dropped (and the
    space before it); nothing else: no stemming and no correction, since answers like "dres" are
    what the official files hold.
    """
    text = " ".join(unicodedata.normalize("NFKC", text).lower().split())
    return text.removesuffix(".").rstrip()


def own_type(row: Mapping[str, Any]) -> list[str]:
    """Returns the groups in which a row is counted: its type, or none."""
    name = str(row.get("type", ""))
    return [name] if name else []


def exact_match_by_type(
    targets: Sequence[Mapping[str, Any]],
    predictions: Sequence[str],
    *,
    groups: Callable[[Mapping[str, Any]], Iterable[str]] = own_type,
) -> dict[str, float]:
    """Returns the share of predictions that equal their answers; a seqio predict metric.

    Args:
      targets: annotation rows. Used: `answer`; `type` ("" or absent: counted overall only);
        `video_id` (the clip, within its set `benchmark`; absent: a clip of its own); `chance` and
        `bag_oracle` if present.
      predictions: one answer a row, in the same order.
      groups: names of the groups in which a row is counted beside the whole; its type by default.

    Returns:
      `accuracy`, `ci95_low` and `ci95_high` (percentile bootstrap over clips, seeded), `num`
      (questions) and, where every row carries them, the means of `chance` and `bag_oracle`. The
      same names followed by `/<group>` for each group, in alphabetical order.

    Raises:
      ValueError: if there is nothing to score, or the two lists differ in length.
    """
    require_pairs(targets, predictions)
    return exact_match_of_pairs(zip(targets, predictions, strict=True), groups=groups)


def exact_match_of_pairs(
    pairs: Iterable[tuple[Mapping[str, Any], str]],
    *,
    groups: Callable[[Mapping[str, Any]], Iterable[str]] = own_type,
) -> dict[str, float]:
    """Returns what `exact_match_by_type` does, of pairs that are gone through once.

    Args:
      pairs: annotation row and prediction; at least one. Some bytes of each are kept.
      groups: names of the groups in which a row is counted beside the whole.
    """
    correct, clip_numbers = array("b"), array("q")
    numbers: dict[Any, int] = {}
    levels = {level: array("d") for level in LEVELS}
    places: dict[str, array] = {}
    for place, (row, prediction) in enumerate(pairs):
        correct.append(normalise(str(row["answer"])) == normalise(prediction))
        clip_numbers.append(numbers.setdefault(_clip(row, place), len(numbers)))
        for level, values in levels.items():
            values.append(float("nan") if row.get(level) is None else row[level])
        for name in groups(row):
            places.setdefault(name, array("q")).append(place)
    questions = _Questions(
        np.array(correct, bool),
        np.array(clip_numbers),
        {level: np.array(values) for level, values in levels.items()},
    )
    scores = questions.scores(np.arange(len(correct)), suffix="")
    for name in sorted(places):
        scores |= questions.scores(np.array(places[name]), suffix=f"/{name}")
    return scores


def require_pairs(targets: Sequence[Any], predictions: Sequence[Any]) -> None:
    """Raises ValueError if there is nothing to score, or the two lists differ in length."""
    if len(targets) != len(predictions):
        raise ValueError(
            f"{len(predictions)} predictions for {len(targets)} targets: a metric needs one each"
        )
    if not targets:
        raise ValueError("no questions to score: the split is empty or none was asked")


def members(
    targets: Sequence[Mapping[str, Any]], groups: Callable[[Mapping[str, Any]], Iterable[str]]
) -> dict[str, np.ndarray]:
    """Returns the places of each group's rows, the groups in alphabetical order."""
    places: dict[str, list[int]] = {}
    for place, row in enumerate(targets):
        for name in groups(row):
            places.setdefault(name, []).append(place)
    return {name: np.array(places[name]) for name in sorted(places)}


def bootstrap_interval(correct: np.ndarray, clip_numbers: np.ndarray) -> tuple[float, float]:
    """Returns the 95 % interval of the mean of `correct`, drawing whole clips with replacement.

    Args:
      correct: [questions] bool.
      clip_numbers: [questions] int64, which clip a question is about.

    Where all are right (or all wrong) every draw agrees and the bootstrap would claim certainty;
    there the outer bound is the exact binomial one, a clip counted as one trial: 1 - 0.025^(1/n).
    One clip says nothing about others: 0 to 1.
    """
    _, clip_numbers = np.unique(clip_numbers, return_inverse=True)
    right = np.bincount(clip_numbers, weights=correct)
    asked = np.bincount(clip_numbers).astype(np.float64)
    clips = len(asked)
    if clips < 2:
        return 0.0, 1.0
    if correct.all() or not correct.any():
        reach = 1.0 - 0.025 ** (1.0 / clips)
        return (1.0 - reach, 1.0) if correct.all() else (0.0, reach)
    generator = np.random.default_rng(BOOTSTRAP_SEED)
    means = []
    rows = max(1, _DRAWN_AT_ONCE // clips)
    for first in range(0, BOOTSTRAP_RESAMPLES, rows):
        drawn = generator.integers(clips, size=(min(rows, BOOTSTRAP_RESAMPLES - first), clips))
        means.append(right[drawn].sum(axis=1) / asked[drawn].sum(axis=1))
    low, high = np.quantile(np.concatenate(means), (0.025, 0.975))
    return float(low), float(high)


def _clip(row: Mapping[str, Any], place: int) -> tuple[str, ...] | int:
    """Returns what rows about one clip share: its set and video; else the row's own place."""
    if "video_id" not in row:
        return place
    return str(row.get("benchmark", "")), str(row["video_id"])


@dataclass(frozen=True)
class _Questions:
    """What exact match takes from its questions.

    Attributes:
      correct: [questions] bool.
      clip_numbers: [questions] int64, which clip a question is about.
      levels: by name [questions] float64, NaN where a row has none.
    """

    correct: np.ndarray
    clip_numbers: np.ndarray
    levels: Mapping[str, np.ndarray]

    def scores(self, chosen: np.ndarray, *, suffix: str) -> dict[str, float]:
        """Returns the scores of some of the questions, their names ending in `suffix`."""
        low, high = bootstrap_interval(self.correct[chosen], self.clip_numbers[chosen])
        scores = {
            f"accuracy{suffix}": float(self.correct[chosen].mean()),
            f"ci95_low{suffix}": low,
            f"ci95_high{suffix}": high,
            f"num{suffix}": float(len(chosen)),
        }
        for level, values in self.levels.items():
            mean = float(values[chosen].mean())
            if not math.isnan(mean):
                scores[f"{level}{suffix}"] = mean
        return scores
