"""What moves through shuffle, mixture and shard: references to clips, never their frames.

A task is model-agnostic. One example of a seqio task is one clip with all of its questions, as four
features, none of which says how many frames a model wants or how it spells its text:

    media  string []   path of a media file
    start  float32 []  where the clip begins in it, s; NaN: at its beginning
    end    float32 []  where the clip ends, s; NaN: at its end
    rows   string [n]  one JSON object a question, the whole annotation row, with at least
                       `id`, `question`, `answer`, `type` and `origin` ("val_qa.json row 12")

Only after the references have been shuffled, mixed and dealt out are frames decoded (converter.py).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

ROW_KEYS = ("id", "question", "answer", "type", "origin")


@dataclass(frozen=True)
class Question:
    """One question about a clip.

    Attributes:
      id: the annotation's own.
      prompt: the question's text.
      answer: the right answer's text.
      type: the kind of question, for balance in training and for scores per kind.
      row: the whole annotation row, kept through to the metric.
    """

    id: str
    prompt: str
    answer: str
    type: str
    row: dict[str, Any]

    @classmethod
    def from_row(cls, row: dict[str, Any]) -> Question:
        """Returns the question of an annotation row; ValueError names the keys that it lacks."""
        missing = [key for key in ROW_KEYS if key not in row]
        if missing:
            raise ValueError(
                f"annotation row {row.get('origin', row)!s:.200} lacks {', '.join(missing)}; "
                f"a row needs {', '.join(ROW_KEYS)}"
            )
        return cls(str(row["id"]), row["question"], row["answer"], str(row["type"]), row)


@dataclass(frozen=True)
class ClipReference:
    """A clip and the questions about it.

    Attributes:
      media: path of the media file.
      start_s: where the clip begins in the file, s; None: at its beginning.
      end_s: where it ends, s; None: at its end.
      questions: what is asked about it.
      origin: the annotation row that names the clip, for error messages.
    """

    media: str
    start_s: float | None
    end_s: float | None
    questions: tuple[Question, ...]
    origin: str

    def told(self) -> dict[str, Any]:
        """Returns which clip it is, without its questions, as JSON values."""
        span = {"start_s": self.start_s, "end_s": self.end_s}
        return {"media": self.media, **span, "origin": self.origin}

    @classmethod
    def from_features(cls, features: Mapping[str, Any]) -> ClipReference:
        """Returns the reference that a seqio example (numpy values) stands for."""
        media = _text(features["media"])
        rows = [json.loads(_text(row)) for row in features["rows"]]
        if not rows:
            raise ValueError(f"the example of {media} has no questions; leave such clips out")
        questions = tuple(Question.from_row(row) for row in rows)
        start_s, end_s = _seconds(features["start"]), _seconds(features["end"])
        return cls(media, start_s, end_s, questions, str(rows[0]["origin"]))

    def to_features(self) -> dict[str, Any]:
        """Returns the reference as the features of a seqio example."""
        return {
            "media": self.media,
            "start": np.float32(math.nan if self.start_s is None else self.start_s),
            "end": np.float32(math.nan if self.end_s is None else self.end_s),
            "rows": [json.dumps(question.row) for question in self.questions],
        }

    def split(self, count: int) -> list[ClipReference]:
        """Returns references to the same clip, in order, with at most `count` questions each."""
        starts = range(0, len(self.questions), count)
        return [replace(self, questions=self.questions[i : i + count]) for i in starts]


def draw_questions(
    questions: Sequence[Question], count: int, rng: np.random.Generator
) -> list[Question]:
    """Returns `count` of the questions, or all if they are fewer, the types as even as can be.

    Each type's questions are shuffled and taken in turns, the types in random order, so that a type
    with many questions does not crowd out one with few.
    """
    by_type: dict[str, list[Question]] = {}
    for index in rng.permutation(len(questions)):
        question = questions[index]
        by_type.setdefault(question.type, []).append(question)
    types = sorted(by_type)
    rng.shuffle(types)
    turns = sorted(
        (
            (turn, place, question)
            for place, name in enumerate(types)
            for turn, question in enumerate(by_type[name])
        ),
        key=lambda item: item[:2],
    )
    return [question for _, _, question in turns[:count]]


def _text(value: bytes | str) -> str:
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)


def _seconds(value: Any) -> float | None:
    seconds = float(value)
    return None if math.isnan(seconds) else seconds
