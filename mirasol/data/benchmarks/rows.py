"""One question as a reader gives it: what is asked, and the names under which its media may lie."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Place:
    """Where a clip may lie.

    Attributes:
      name: of a media file, from the set's folder; other extensions and folders are tried, too.
      start_s: where the clip begins in that file, s; None: at its beginning.
      end_s: where it ends, s; None: at its end.
    """

    name: str
    start_s: float | None = None
    end_s: float | None = None


@dataclass(frozen=True, kw_only=True)
class Row:
    """One question about one clip.

    Attributes:
      id: the annotation's own, as text.
      question: as the model is asked it.
      answer: the right one; "" where the set keeps it to itself.
      type: the kind of question; "" where the set has no kinds.
      video_id: of the video, which questions share.
      places: where the clip may lie, the official one first.
      origin: file and row.
      references: further right answers.
      extra: what else the annotation says and a metric or a submission needs.
    """

    id: str
    question: str
    answer: str
    type: str
    video_id: str
    places: tuple[Place, ...]
    origin: str
    references: tuple[str, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self, benchmark: str, split: str) -> dict[str, Any]:
        """Returns the row as it goes through to the metric (`data/references.py`)."""
        fields: dict[str, Any] = {
            "id": self.id,
            "question": self.question,
            "answer": self.answer,
            "type": self.type,
            "video_id": self.video_id,
            "origin": self.origin,
            "benchmark": benchmark,
            "split": split,
        }
        if self.references:
            fields["references"] = list(self.references)
        return {**self.extra, **fields}
