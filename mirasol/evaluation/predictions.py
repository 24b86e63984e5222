"""Answers as one stream: batches in, one prediction a question out.

    batch [B, Q] -> Answerer -> Prediction(clip, question, text), ...
    Writer: batch -> generate -> ids [B, Q, R] -> decode -> text        Chooser: choices.py

Frames are dropped with their batch, so memory does not grow with the length of the clips or the
size of the set.
"""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import torch

from mirasol.batch import Batch
from mirasol.data.references import ClipReference, Question
from mirasol.data.vocabulary import Vocabulary
from mirasol.evaluation.metrics import normalise
from mirasol.progress import progress_bar

Generate = Callable[[Batch], torch.Tensor]
Batches = Iterable[tuple[Batch, list[ClipReference]]]


@dataclasses.dataclass(frozen=True)
class Prediction:
    """One question about one clip, and the model's answer to it.

    Attributes:
      clip: what was seen and heard.
      question: what was asked.
      text: the answer.
      scores: where it was chosen among options, the log-probability of each; else None.
    """

    clip: ClipReference
    question: Question
    text: str
    scores: tuple[float, ...] | None = None

    @property
    def correct(self) -> bool:
        """Whether the answer equals the annotation's by exact match."""
        return normalise(self.text) == normalise(self.question.answer)

    def row(self) -> dict[str, Any]:
        """Returns the prediction file's JSON object; null times mean the whole file."""
        scores = {} if self.scores is None else {"scores": list(self.scores)}
        return {
            "id": self.question.id,
            "media": self.clip.media,
            "start_s": self.clip.start_s,
            "end_s": self.clip.end_s,
            "type": self.question.type,
            "question": self.question.prompt,
            "answer": self.question.answer,
            "prediction": self.text,
            **scores,
        }


class Answerer(abc.ABC):
    """Answers the questions of batches."""

    @property
    @abc.abstractmethod
    def classes(self) -> Sequence[str] | None:
        """What every prediction's scores are of, in their order; None if of nothing in common."""

    @abc.abstractmethod
    def __call__(self, batch: Batch, clips: Sequence[ClipReference]) -> list[list[Prediction]]:
        """Returns, per clip of the batch, its questions with their answers.

        Args:
          batch: clip b's questions fill the valid slots of its row b, in order; rows after the last
            clip are padding.
          clips: of the batch.

        Raises:
          ValueError: a question cannot be answered, or questions and slots do not line up.
        """


class Writer(Answerer):
    """Answers in words that the model writes.

    Args:
      generate: batch -> token ids int64 [B, Q, R], each row ended by EOS_ID.
      vocabulary: decodes ids.
    """

    def __init__(self, generate: Generate, vocabulary: Vocabulary) -> None:
        self._generate = generate
        self._vocabulary = vocabulary

    @property
    def classes(self) -> None:
        """See Answerer."""
        return None

    def __call__(self, batch: Batch, clips: Sequence[ClipReference]) -> list[list[Prediction]]:
        """See Answerer."""
        return answer_batch(self._generate(batch), batch, clips, self._vocabulary)


class Observer(abc.ABC):
    """Sees evaluated batches: for what is neither a metric nor the prediction file."""

    @abc.abstractmethod
    def see(self, batch: Batch, answered: Sequence[Sequence[Prediction]]) -> None:
        """Takes one batch and, per example of it, the answers in slot order."""

    @abc.abstractmethod
    def finish(self) -> None:
        """Called once, after the last batch and the files."""


def predict(
    rounds: Iterable[list[list[Prediction]]], *, title: str, total: int | None
) -> Iterator[Prediction]:
    """Yields an answer to every question, under a progress bar with the running accuracy.

    Args:
      rounds: batch after batch, answered (rounds.py).
      title: stands before the progress bar.
      total: clips that will come, None if not known.

    Raises:
      ValueError: as `rounds` does.
    """
    right = asked = 0
    last_clip = None
    with progress_bar(total=total, title=title, unit="clips", leave=False) as bar:
        for answered in rounds:
            for predictions in answered:
                yield from predictions
                right += sum(prediction.correct for prediction in predictions)
                asked += len(predictions)
                # A clip with more questions than slots comes as several examples in a row.
                clip = predictions[0].clip
                this_clip = (clip.media, clip.start_s, clip.end_s)
                bar.update(this_clip != last_clip)
                last_clip = this_clip
            bar.set_postfix_str(f"exact match {right / max(asked, 1):.3f}", refresh=False)


def clips_to_come(known: int | None, most: int | None) -> int | None:
    """Returns how many clips of a split are taken.

    Args:
      known: clips of it; None: not known without reading it.
      most: at most so many are taken; None: all.

    Returns:
      None where the split may have fewer than `most`.
    """
    return known if known is None or most is None else min(known, most)


def answer_batch(
    ids_BQR: torch.Tensor, batch: Batch, clips: Sequence[ClipReference], vocabulary: Vocabulary
) -> list[list[Prediction]]:
    """Returns, per clip of the batch, its questions with the decoded answers.

    Raises:
      ValueError: with all the numbers, where ids, slots and questions do not line up.
    """
    valid_BQ = batch.question_BQ.tolist()
    slots = [sum(valid_Q) for valid_Q in valid_BQ]
    questions = [len(clip.questions) for clip in clips] + [0] * (len(slots) - len(clips))
    if ids_BQR.ndim != 3 or ids_BQR.shape[:2] != batch.question_BQ.shape or slots != questions:
        raise ValueError(
            f"answers do not line up with questions: ids [B, Q, R] of shape {list(ids_BQR.shape)}, "
            f"question_BQ of shape {list(batch.question_BQ.shape)} with {slots} valid slots, "
            f"{len(clips)} clips with {questions} questions"
        )
    answered = []
    for clip, valid_Q, ids_QR in zip(clips, valid_BQ, ids_BQR.tolist(), strict=False):
        ids_of_questions = [ids_R for ids_R, valid in zip(ids_QR, valid_Q, strict=True) if valid]
        answered.append(
            [
                Prediction(clip, question, vocabulary.decode(ids_R))
                for question, ids_R in zip(clip.questions, ids_of_questions, strict=True)
            ]
        )
    return answered
