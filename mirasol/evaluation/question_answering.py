"""Metrics of the sets whose answers are words: exact match in each set's own groups.

msrvtt_qa, msvd_qa   all, and per first word of the question
activitynet_qa       all, per type, and Free: what is not about motion, space or time
nextqa_mc            all, per type, and C, T, D: the first letter of the type
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mirasol.data.benchmarks.activitynet_qa import FREE
from mirasol.evaluation.metrics import (
    exact_match_by_type,
    exact_match_of_pairs,
    normalise,
    require_pairs,
)
from mirasol.evaluation.normalisers import accuracy_by_style

Rows = Sequence[Mapping[str, Any]]


def word_answers(targets: Rows, predictions: Sequence[str]) -> dict[str, float]:
    """Returns exact match, overall and per type, and overall in VQA and BLIP style."""
    scores = exact_match_by_type(targets, predictions)
    return scores | accuracy_by_style(zip(targets, predictions, strict=True))


def referenced_answers(targets: Rows, predictions: Sequence[str]) -> dict[str, float]:
    """Returns what `word_answers` does, an answer that equals a further reference being right."""
    require_pairs(targets, predictions)

    def pairs() -> Iterator[tuple[Mapping[str, Any], str]]:
        for row, prediction in zip(targets, predictions, strict=True):
            yield {**row, "answer": _best_reference(row, prediction)}, prediction

    return exact_match_of_pairs(pairs()) | accuracy_by_style(pairs())


def activitynet_answers(targets: Rows, predictions: Sequence[str]) -> dict[str, float]:
    """Returns exact match overall, per type, and of Free.

    The official script divides the right answers of Free by the questions of other types; here Free
    is the mean over its own questions.
    """
    scores = exact_match_by_type(targets, predictions, groups=_activitynet_groups)
    return scores | accuracy_by_style(zip(targets, predictions, strict=True))


def option_answers(targets: Rows, predictions: Sequence[str]) -> dict[str, float]:
    """Returns the accuracy of chosen options, overall, per type and per first letter of the type.

    A prediction counts as the first option that it equals. Where two options are equal, the second
    cannot be chosen, and as the official evaluation compares numbers, it counts as wrong if that
    one is the answer.

    Returns:
      What `exact_match_by_type` returns, and `num_no_option`, predictions that equal no option.
    """
    require_pairs(targets, predictions)
    chosen = array("q", map(chosen_option, targets, predictions))
    pairs = (
        ({**row, "answer": str(row["answer_index"])}, str(option))
        for row, option in zip(targets, chosen, strict=True)
    )
    scores = exact_match_of_pairs(pairs, groups=letter_and_type)
    return scores | {"num_no_option": float(chosen.count(-1))}


def letter_and_type_answers(targets: Rows, predictions: Sequence[str]) -> dict[str, float]:
    """Returns exact match overall, per type and per first letter of the type."""
    return exact_match_by_type(targets, predictions, groups=letter_and_type)


def chosen_option(row: Mapping[str, Any], prediction: str) -> int:
    """Returns the number of the first option that the prediction equals, -1 if none."""
    options = [normalise(option) for option in row["options"]]
    wanted = normalise(prediction)
    return options.index(wanted) if wanted in options else -1


def letter_and_type(row: Mapping[str, Any]) -> tuple[str, str]:
    """Returns the groups of a NExT-QA question: "CW" counts in C, too."""
    return row["type"][0], row["type"]


def _best_reference(row: Mapping[str, Any], prediction: str) -> str:
    answers = [str(row["answer"]), *row.get("references", ())]
    return next((each for each in answers if normalise(each) == normalise(prediction)), answers[0])


def _activitynet_groups(row: Mapping[str, Any]) -> list[str]:
    return [row["type"], *(["Free"] if row["type"] in FREE else [])]
