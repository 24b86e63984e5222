"""Predictions in the format that each benchmark's own evaluation reads.

msrvtt_qa, msvd_qa   [{"id": 7, "answer": "man"}]   (these sets have no evaluation of their own)
activitynet_qa       [{"question_id": "v_..._1", "answer": "yes"}]
nextqa_mc            {"<video>_<qid>": {"prediction": 3, "answer": 3}}
nextqa_oe            {"<video>": {"<qid>": "in the park"}}
vggsound             csv like its annotation: <id>.mp4,<label>
epic_sounds          the challenge's test.json: a score for each class
kinetics_sounds      the Kinetics challenge's JSON: labels with scores, best first
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from mirasol.evaluation.class_scores import ClassScores
from mirasol.evaluation.question_answering import chosen_option

Rows = Sequence[Mapping[str, Any]]
Write = Callable[[Rows, Sequence[str], ClassScores | None], str | None]

_KINETICS_LABELS = 5


def submission(
    benchmark: str, rows: Rows, answers: Sequence[str], scores: ClassScores | None
) -> tuple[str, str] | None:
    """Returns (extension, content) of a set's submission; None where it has none.

    Args:
      benchmark: its name.
      rows: annotation rows.
      answers: one text a row.
      scores: of every class, where they were computed. EPIC-Sounds has no submission without.
    """
    if benchmark not in _FORMATS:
        return None
    extension, write = _FORMATS[benchmark]
    content = write(rows, answers, scores)
    return None if content is None else (extension, content)


def _ids_and_answers(key: str, to_id: Callable[[str], Any]) -> Write:
    def write(rows: Rows, answers: Sequence[str], scores: ClassScores | None) -> str:
        pairs = zip(rows, answers, strict=True)
        return _json([{key: to_id(row["id"]), "answer": text} for row, text in pairs])

    return write


def _number(identifier: str) -> int | str:
    return int(identifier) if identifier.isascii() and identifier.isdigit() else identifier


def _options(rows: Rows, answers: Sequence[str], scores: ClassScores | None) -> str:
    return _json(
        {
            row["id"]: {"prediction": chosen_option(row, text), "answer": row["answer_index"]}
            for row, text in zip(rows, answers, strict=True)
        }
    )


def _by_video(rows: Rows, answers: Sequence[str], scores: ClassScores | None) -> str:
    found: dict[str, dict[str, str]] = {}
    for row, text in zip(rows, answers, strict=True):
        found.setdefault(row["video_id"], {})[row["qid"]] = text
    return _json(found)


def _labels(rows: Rows, answers: Sequence[str], scores: ClassScores | None) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows(
        (f"{row['id']}.mp4", answer) for row, answer in zip(rows, answers, strict=True)
    )
    return text.getvalue()


def _epic(rows: Rows, answers: Sequence[str], scores: ClassScores | None) -> str | None:
    """The challenge wants to know the supervision (sls_) and modality (t_mod): set them by hand."""
    if scores is None:
        return None
    results = {
        row["id"]: {"interaction": {str(i): float(value) for i, value in enumerate(values_O)}}
        for row, values_O in zip(rows, scores.values_NO, strict=True)
    }
    head = {"version": "0.1", "challenge": "audio_based_interaction_recognition"}
    return _json({**head, "sls_pt": 5, "sls_tl": 5, "sls_td": 5, "t_mod": 0, "results": results})


def _kinetics(rows: Rows, answers: Sequence[str], scores: ClassScores | None) -> str:
    results = {}
    for place, (row, text) in enumerate(zip(rows, answers, strict=True)):
        youtube_id = row["id"].rsplit("_", 2)[0]
        results[youtube_id] = (
            [{"label": text, "score": 1.0}] if scores is None else _best(scores, place)
        )
    return _json({"version": "KINETICS VERSION 1.0", "results": results, "external_data": {}})


def _best(scores: ClassScores, place: int) -> list[dict[str, Any]]:
    values_O = np.asarray(scores.values_NO[place], np.float64)
    order = np.argsort(-values_O, kind="stable")[:_KINETICS_LABELS]
    return [{"label": scores.classes[i], "score": float(values_O[i])} for i in order]


def _json(content: Any) -> str:
    return json.dumps(content, ensure_ascii=False) + "\n"


_FORMATS: dict[str, tuple[str, Write]] = {
    "msrvtt_qa": ("json", _ids_and_answers("id", _number)),
    "msvd_qa": ("json", _ids_and_answers("id", _number)),
    "activitynet_qa": ("json", _ids_and_answers("question_id", str)),
    "nextqa_mc": ("json", _options),
    "nextqa_mc_question": ("json", _options),
    "nextqa_oe": ("json", _by_video),
    "vggsound": ("csv", _labels),
    "epic_sounds": ("json", _epic),
    "kinetics_sounds": ("json", _kinetics),
    "kinetics_sounds_31": ("json", _kinetics),
}
