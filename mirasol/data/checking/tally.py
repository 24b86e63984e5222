"""What is counted while clips pass by: answers, lengths of texts, a sample of the clips."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

from mirasol.data.references import ClipReference

# Captions are all different, and some sets have a hundred million of them.
_DISTINCT = 1_000_000


@dataclass(frozen=True)
class TextMeasure:
    """How texts are measured: by default in words, without limits.

    Attributes:
      unit: what is counted.
      encode: text to a sequence of them.
      prompt_limit: of a question; longer ones keep their end. None: no limit is known.
      answer_limit: of an answer, without its end token; longer ones keep their head.
    """

    unit: str = "words"
    encode: Callable[[str], Sequence[Any]] = str.split
    prompt_limit: int | None = None
    answer_limit: int | None = None


@dataclass
class Lengths:
    """How long texts are.

    Attributes:
      unit: what is counted.
      limit: of it; None: no limit is known.
      counts: texts of each length.
    """

    unit: str
    limit: int | None
    counts: Counter[int] = field(default_factory=Counter)

    @property
    def longer(self) -> int:
        """Texts above the limit."""
        return sum(
            count
            for length, count in self.counts.items()
            if self.limit is not None and length > self.limit
        )

    def as_json(self) -> dict[str, Any]:
        """Returns median, greatest and limit; without texts 0."""
        return {
            "unit": self.unit,
            "median": _median(self.counts),
            "longest": max(self.counts, default=0),
            "limit": self.limit,
            "longer": self.longer,
        }


class Tally:
    """Counts clips.

    Args:
      measure: how texts are measured.
      sample: so many clips are kept, each as likely as any other, the same each time.

    Attributes:
      clips, questions: how many there were.
      unanswered: questions without an answer, as in splits that keep theirs hidden.
      answers: texts and how often each occurred; of more than a million, the first million.
      prompts, responses: lengths of questions and answers.
      sample: clips.
    """

    def __init__(self, measure: TextMeasure, sample: int) -> None:
        self._measure, self._room = measure, sample
        self._random = random.Random(0)
        self.clips = self.questions = self.unanswered = 0
        self.answers: Counter[str] = Counter()
        self.prompts = Lengths(measure.unit, measure.prompt_limit)
        self.responses = Lengths(measure.unit, measure.answer_limit)
        self.sample: list[ClipReference] = []

    def add(self, clip: ClipReference) -> None:
        """Counts a clip and its questions."""
        self._draw(clip)
        self.clips += 1
        self.questions += len(clip.questions)
        for question in clip.questions:
            self.prompts.counts[len(self._measure.encode(question.prompt))] += 1
            if not question.answer:
                self.unanswered += 1
                continue
            self.responses.counts[len(self._measure.encode(question.answer))] += 1
            if question.answer in self.answers or len(self.answers) < _DISTINCT:
                self.answers[question.answer] += 1

    def _draw(self, clip: ClipReference) -> None:
        """Keeps the clip in the place of a random other, or not at all (reservoir sampling)."""
        place = self._random.randint(0, self.clips)
        if len(self.sample) < self._room:
            self.sample.append(clip)
        elif place < self._room:
            self.sample[place] = clip


def _median(counts: Counter[int]) -> int:
    lengths = sorted(counts)
    below = accumulate(counts[length] for length in lengths)
    half = sum(counts.values()) / 2
    return next(
        (length for length, so_far in zip(lengths, below, strict=True) if so_far >= half), 0
    )
