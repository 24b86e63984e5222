"""How questions are answered, as an experiment states it: `EvaluationPlan.answers`.

Writing(strategy=Greedy())   in words of the model's own
Choosing()                   with the likeliest of the question's options, or of the set's classes
"""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Callable, Sequence

from mirasol.data.vocabulary import Vocabulary
from mirasol.evaluation.choices import Chooser, Score
from mirasol.evaluation.predictions import Answerer, Generate, Writer
from mirasol.models.generation import GREEDY, Strategy


@dataclasses.dataclass(frozen=True, kw_only=True)
class Answers(abc.ABC):
    """A way to answer.

    Attributes:
      strategy: how an answer is written: greedily, drawn, or by beam search.
    """

    strategy: Strategy = GREEDY

    @abc.abstractmethod
    def by(
        self,
        *,
        generate: Generate,
        score: Score,
        vocabulary: Vocabulary,
        classes: Callable[[], Sequence[str] | None],
    ) -> Answerer:
        """Returns what answers the questions of a task with a model.

        Args:
          generate: batch -> token ids int64 [B, Q, R], written by `strategy`.
          score: (batch, ids [B, Q, O, R]) -> log-probabilities [B, Q, O].
          vocabulary: of the model.
          classes: returns the task's classes, read from its files; None where it has none.
        """


@dataclasses.dataclass(frozen=True, kw_only=True)
class Writing(Answers):
    """The model writes its answers; what may be said is not limited."""

    def by(
        self,
        *,
        generate: Generate,
        score: Score,
        vocabulary: Vocabulary,
        classes: Callable[[], Sequence[str] | None],
    ) -> Answerer:
        """See Answers."""
        return Writer(generate, vocabulary)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Choosing(Answers):
    """The likeliest of the question's options is the answer, or else of the set's classes.

    An option's likelihood is that of its whole text with the end token, as `Mirasol.score` has it.
    `strategy` is left for `infer` with a question of one's own, which has no options.
    """

    def by(
        self,
        *,
        generate: Generate,
        score: Score,
        vocabulary: Vocabulary,
        classes: Callable[[], Sequence[str] | None],
    ) -> Answerer:
        """See Answers."""
        return Chooser(score, vocabulary, classes())


WRITING = Writing()
