"""Answers by choice: the likeliest of given options, instead of a text of the model's own.

    batch, clips -> options of each question -> ids [B, Q, O, R] -> score -> the best one's text

A question's options stand in its row (`options`), or are the classes of its set. The likelihood is
that of the whole text, so that a long option pays for its length.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch

from mirasol.batch import EOS_ID, PAD_ID, Batch
from mirasol.data.references import ClipReference, Question
from mirasol.data.vocabulary import Vocabulary
from mirasol.evaluation.predictions import Answerer, Prediction

Score = Callable[[Batch, torch.Tensor], torch.Tensor]

# Options that stand side by side in one pass: attention grows with the square of their number.
_AT_ONCE = 64


class Chooser(Answerer):
    """Chooses among options.

    Args:
      score: (batch, ids [B, Q, O, R]) -> log-probabilities [B, Q, O], on the host.
      vocabulary: encodes options.
      classes: options of every question whose row has none.
    """

    def __init__(
        self, score: Score, vocabulary: Vocabulary, classes: Sequence[str] | None = None
    ) -> None:
        self._score = score
        self._encode = vocabulary.encode
        self._classes = classes

    @property
    def classes(self) -> Sequence[str] | None:
        """See Answerer."""
        return self._classes

    def __call__(self, batch: Batch, clips: Sequence[ClipReference]) -> list[list[Prediction]]:
        """See Answerer; a prediction has the scores of all its question's options."""
        options = [[self._options(question) for question in clip.questions] for clip in clips]
        values_BQO = self._values(batch, options)
        return [
            [
                _chosen(clip, question, options[b][q], values_BQO[b, q])
                for q, question in enumerate(clip.questions)
            ]
            for b, clip in enumerate(clips)
        ]

    def _options(self, question: Question) -> Sequence[str]:
        options = question.row.get("options", self._classes)
        if not options:
            raise ValueError(
                f"{question.row.get('origin', question.id)}: EvaluationPlan.answers is Choosing(), "
                "but the question has no options and its task no classes; set it to Writing()"
            )
        return options

    def _values(self, batch: Batch, options: list[list[Sequence[str]]]) -> np.ndarray:
        """Returns float [B, Q, O] for the clips of the batch; -inf beyond a question's options."""
        most = max((len(each) for clip in options for each in clip), default=1)
        parts = [
            self._score(batch, self._ids(batch, options, first, min(_AT_ONCE, most)))
            for first in range(0, most, _AT_ONCE)
        ]
        return torch.cat(parts, dim=2)[:, :, :most].double().cpu().numpy()

    def _ids(
        self, batch: Batch, options: list[list[Sequence[str]]], first: int, count: int
    ) -> torch.Tensor:
        """Returns int64 [B, Q, O, R] for the options from `first` on, padded with 0."""
        encoded = {
            (b, q, o): [*self._encode(text), EOS_ID]
            for b, clip in enumerate(options)
            for q, texts in enumerate(clip)
            for o, text in enumerate(texts[first : first + count])
        }
        longest = max((len(ids) for ids in encoded.values()), default=1)
        ids_BQOR = torch.full((*batch.question_BQ.shape, count, longest), PAD_ID)
        for place, ids in encoded.items():
            ids_BQOR[place][: len(ids)] = torch.tensor(ids)
        return ids_BQOR


def _chosen(
    clip: ClipReference, question: Question, options: Sequence[str], values_O: np.ndarray
) -> Prediction:
    values = tuple(float(value) for value in values_O[: len(options)])
    return Prediction(clip, question, options[int(np.argmax(values))], values)
