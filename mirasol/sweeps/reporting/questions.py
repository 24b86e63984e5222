"""A sample of questions, and what each variant answered to them."""

from __future__ import annotations

import dataclasses
import random
from collections import Counter
from collections.abc import Mapping, Sequence

from mirasol.data.references import ClipReference
from mirasol.evaluation.contact_sheet import clip_title, varied
from mirasol.sweeps.reporting.answers import Answer, ClipKey, UnpairedError, scored_answers
from mirasol.sweeps.reporting.study import Study, Trial

_SEED = 0

Key = tuple[ClipKey, str, str]


@dataclasses.dataclass(frozen=True)
class Given:
    """What some seeds of a variant answered alike.

    Attributes:
      text: the answer.
      correct: whether it is right.
      seeds: how many gave it.
      of: how many were asked.
    """

    text: str
    correct: bool
    seeds: int
    of: int


@dataclasses.dataclass(frozen=True)
class AskedQuestion:
    """One question, and what every variant answered.

    Attributes:
      type, question, right: of the annotation.
      given: by variant, the most frequent answer first; none where no trial kept it.
    """

    type: str
    question: str
    right: str
    given: Mapping[str, tuple[Given, ...]]


@dataclasses.dataclass(frozen=True)
class AskedClip:
    """A clip and some of its questions."""

    reference: ClipReference
    questions: tuple[AskedQuestion, ...]

    @property
    def title(self) -> str:
        """The file's name, with the span where it is not the whole file."""
        return clip_title(self.reference)


@dataclasses.dataclass
class _Kept:
    """All that the trials of a study answered, by variant and trial."""

    by_variant: dict[str, list[dict[Key, Answer]]]

    def split(self, key: Key) -> bool:
        """Returns whether some answered a question right, and some wrong."""
        found = {each[key].correct for kept in self.by_variant.values() for each in kept}
        return len(found) > 1

    def given(self, key: Key) -> dict[str, tuple[Given, ...]]:
        """Returns each variant's answers to a question."""
        found = {}
        for name, kept in self.by_variant.items():
            texts = Counter((each[key].given, each[key].correct) for each in kept)
            found[name] = tuple(
                Given(text, correct, seeds, len(kept))
                for (text, correct), seeds in texts.most_common()
            )
        return found


def sample(study: Study, clips: int, questions: int) -> list[AskedClip]:
    """Draws clips, and takes of each the questions that tell variants apart, then others.

    Both kinds are taken over the types of question in turns. The draw depends on the clips alone,
    so a report made again shows the same.

    Args:
      study: of it the first metric.
      clips: so many at most; none where the answers of no trial are kept.
      questions: of each, at most.
    """
    kept = _kept(study)
    common = _asked_of_all(kept)
    by_clip: dict[ClipKey, list[Answer]] = {}
    for answer in common:
        by_clip.setdefault(answer.clip, []).append(answer)
    drawn = random.Random(_SEED).sample(sorted(by_clip, key=repr), min(clips, len(by_clip)))
    return [_clip(by_clip[clip], kept, questions, turn) for turn, clip in enumerate(drawn)]


def _clip(answers: Sequence[Answer], kept: _Kept, count: int, turn: int) -> AskedClip:
    telling = [answer for answer in answers if kept.split(answer.key)]
    others = [answer for answer in answers if not kept.split(answer.key)]
    chosen = [
        *varied(telling, count, turn, kind=lambda each: each.type),
        *varied(others, count, turn, kind=lambda each: each.type),
    ][:count]
    first = answers[0]
    return AskedClip(
        ClipReference(first.media, first.start_s, first.end_s, (), origin=""),
        tuple(
            AskedQuestion(each.type, each.question, each.right, kept.given(each.key))
            for each in chosen
        ),
    )


def _kept(study: Study) -> _Kept:
    found: dict[str, list[dict[Key, Answer]]] = {}
    for variant in study.variants:
        each = [_by_key(trial, study.metrics[0]) for trial in variant.done]
        answered = [answers for answers in each if answers]
        if answered:
            found[variant.name] = answered
    return _Kept(found)


def _by_key(trial: Trial, metric: str) -> dict[Key, Answer]:
    try:
        return {answer.key: answer for answer in scored_answers(trial, metric)}
    except UnpairedError:
        return {}


def _asked_of_all(kept: _Kept) -> list[Answer]:
    """Returns an answer to each question that all trials were asked, in the order of the first."""
    everything = [answers for each in kept.by_variant.values() for answers in each]
    if not everything:
        return []
    first, *others = everything
    return [answer for key, answer in first.items() if all(key in other for other in others)]
