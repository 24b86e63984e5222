"""The contact sheet of an evaluation: which clips it shows, and which of their questions."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from mirasol.batch import Batch
from mirasol.data.references import ClipReference
from mirasol.evaluation.predictions import Observer, Prediction
from mirasol.evaluation.sheet_drawing import SheetAnswer, SheetClip, draw

Asked = TypeVar("Asked")


class ContactSheet(Observer):
    """Draws the first clips of an evaluation."""

    def __init__(self, path: Path, clips: int = 12, questions: int = 4) -> None:
        """Draws into `path` (PNG) so many clips with so many questions each."""
        self._path = path
        self._clips = clips
        self._questions = questions
        self._rows: dict[tuple[object, ...], SheetClip] = {}

    def see(self, batch: Batch, answered: Sequence[Sequence[Prediction]]) -> None:
        """Keeps the clips that are still wanted; a clip's later questions are passed over."""
        for b, predictions in enumerate(answered):
            if len(self._rows) == self._clips:
                return
            clip = predictions[0].clip
            key = (clip.media, clip.start_s, clip.end_s)
            if key not in self._rows:
                chosen = varied(
                    predictions,
                    self._questions,
                    turn=len(self._rows),
                    kind=lambda each: each.question.type,
                )
                self._rows[key] = SheetClip.from_arrays(
                    clip_title(clip),
                    batch.video_BTFHWC[b].numpy(),
                    batch.audio_BTAS[b].numpy(),
                    [_sheet_answer(each) for each in chosen],
                )

    def finish(self) -> None:
        """Draws."""
        draw(self._path, list(self._rows.values()))


def clip_title(clip: ClipReference) -> str:
    """Returns the media file's name, with the span where it is not the whole file."""
    if clip.start_s is None and clip.end_s is None:
        return Path(clip.media).name
    end = "end" if clip.end_s is None else f"{clip.end_s:g} s"
    return f"{Path(clip.media).name}, {clip.start_s or 0:g} s to {end}"


def varied(
    asked: Sequence[Asked], count: int, turn: int, kind: Callable[[Asked], str]
) -> list[Asked]:
    """Returns up to `count` questions of as many types as there are, right or wrong alike.

    Within a type the choice begins at place `turn`, so that rows of a sheet, each with its own
    turn, do not all ask the same.

    Args:
      asked: questions, or answers to them.
      count: how many at most.
      turn: number of the row.
      kind: tells the type of one.
    """
    by_type: dict[str, list[Asked]] = {}
    for each in asked:
        by_type.setdefault(kind(each), []).append(each)
    turned = [group[turn % len(group) :] + group[: turn % len(group)] for group in by_type.values()]
    rounds = itertools.zip_longest(*turned)
    return [each for one_of_each in rounds for each in one_of_each if each is not None][:count]


def _sheet_answer(prediction: Prediction) -> SheetAnswer:
    question = prediction.question
    return SheetAnswer(
        question.type, question.prompt, question.answer, prediction.text, prediction.correct
    )
