"""Metrics of the sets whose answers are words: exact match in each set's own groups.

msrvtt_qa, msvd_qa   all, and per first word of the question
activitynet_qa       all, per type, and Free: what is not about motion, space or time
nextqa_mc            all, per type, and C, T, D: the first letter of the type
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mirasol.data.benchmarks.activitynet_qa import FREE
from mirasol.evaluation.metrics import exact_match_by_type, normalise
from mirasol.evaluation.normalisers import accuracy_by_style

Rows = Sequence[Mapping[str, Any]]


def word_answers(targets: Rows, predictions: Sequence[str]) -> dict[str, float]:
    """Returns exact match, overall and per type, and overall in VQA and BLIP style."""
    scores = exact_match_by_type(targets, predictions)
    return scores | accuracy_by_style(targets, predictions)


def referenced_answers(targets: Rows, predictions: Sequence[str]) -> dict[str, float]:
    """Returns what `word_answers` does, an answer that equals a further reference being right."""
    rows = [
        {**row, "answer": _best_reference(row, prediction)}
        for row, prediction in zip(targets, predictions, strict=True)
    ]
    return word_answers(rows, predictions)


def activitynet_answers(targets: Rows, predictions: Sequence[str]) -> dict[str, float]:
    """Returns exact match overall, per type, and of Free.

    The official script divides the right answers of Free by the questions of other types; here Free
    is the mean over its own questions.
    """
    scores = exact_match_by_type(targets, predictions, groups=_activitynet_groups)
    return scores | accuracy_by_style(targets, predictions)


def option_answers(targets: Rows, predictions: Sequence[str]) -> dict[str, float]:
    """Returns the accuracy of chosen options, overall, per type and per first letter of the type.

    A prediction counts as the first option that it equals. Where two options are equal, the second
    cannot be chosen, and as the official evaluation compares numbers, it counts as wrong if that
    one is the answer.

    Returns:
      What `exact_match_by_type` returns, and `num_no_option`, predictions that equal no option.
    """
    chosen = [
        chosen_option(row, prediction) for row, prediction in zip(targets, predictions, strict=True)
    ]
    rows = [{**row, "answer": str(row["answer_index"])} for row in targets]
    scores = exact_match_by_type(rows, [str(index) for index in chosen], groups=letter_and_type)
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
