"""What runs answered, question by question, from their prediction files."""

from __future__ import annotations

import dataclasses
import functools
import gzip
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any

import numpy as np

from mirasol.data.root import data_root
from mirasol.evaluation.metrics import normalise
from mirasol.sweeps.reporting.statistics import ClipDifferences
from mirasol.sweeps.reporting.study import Trial

# Of a path, so that machines with other data folders agree on what is the same clip.
_PARTS = 3
_TOLERANCE = 1e-9

ClipKey = tuple[str, float | None, float | None]


@dataclasses.dataclass(frozen=True)
class Answer:
    """One question about one clip, and what a run answered.

    Attributes:
      media: path of the media file; kept results name it from the data folder, and it is looked for
        in that of whoever reads.
      start_s, end_s: of the clip in it; None: of the file.
      id: of the question, the annotation's own.
      type: of question.
      question, right, given: texts.
    """

    media: str
    start_s: float | None
    end_s: float | None
    id: str
    type: str
    question: str
    right: str
    given: str

    @property
    def clip(self) -> ClipKey:
        """What answers about the same clip share, wherever the data lie."""
        return "/".join(PurePath(self.media).parts[-_PARTS:]), self.start_s, self.end_s

    @property
    def key(self) -> tuple[ClipKey, str, str]:
        """What answers to the same question share."""
        return self.clip, self.id, self.question

    @functools.cached_property
    def correct(self) -> bool:
        """Whether it equals the annotation's answer by exact match."""
        return normalise(self.given) == normalise(self.right)


class UnpairedError(ValueError):
    """Answers that say nothing about a difference of scores, and why."""


def answers(workdir: Path, task: str, split: str) -> tuple[Answer, ...]:
    """Returns all that a run answered; a file may end in `.gz`.

    Raises:
      UnpairedError: it kept no answers.
    """
    path = workdir / "eval" / f"{task}-{split}-predictions.jsonl"
    packed = path.with_name(f"{path.name}.gz")
    for found in (path, packed):
        if found.is_file():
            return _read(found, found.stat().st_mtime_ns)
    raise UnpairedError("no answers are kept")


def scored_answers(trial: Trial, metric: str) -> list[Answer]:
    """Returns the answers that a metric of a trial is the share of right ones of.

    Args:
      trial: with its final score.
      metric: "TASK/accuracy", or "TASK/accuracy/TYPE".

    Raises:
      UnpairedError: the metric is none of right and wrong answers, no answers are kept, or they are
        not those that were scored (of a later evaluation, say).
    """
    task, _, name = metric.partition("/")
    measure, _, kind = name.partition("/")
    score = trial.score(metric)
    if measure != "accuracy" or score is None:
        raise UnpairedError(f"{name} is no share of right answers")
    found = [
        answer
        for answer in answers(trial.workdir, task, score.split)
        if not kind or answer.type == kind
    ]
    share = sum(answer.correct for answer in found) / max(len(found), 1)
    if not found or abs(share - score.value) > _TOLERANCE:
        raise UnpairedError("the answers that are kept are not those of the score")
    return found


def clip_differences(
    ours: Sequence[Trial], baseline: Sequence[Trial], metric: str
) -> ClipDifferences:
    """Returns what pairs of trials, one a seed, answered about the same clips.

    Raises:
      UnpairedError: see `scored_answers`; or they were not asked the same.
    """
    pairs = [
        (scored_answers(mine, metric), scored_answers(theirs, metric))
        for mine, theirs in zip(ours, baseline, strict=True)
    ]
    asked = [Counter(answer.key for answer in each) for pair in pairs for each in pair]
    if any(each != asked[0] for each in asked):
        raise UnpairedError("not all were asked the same questions")
    clips = {clip: place for place, clip in enumerate(dict.fromkeys(key[0] for key in asked[0]))}
    right_SC = np.zeros((len(pairs), len(clips)))
    for s, (mine, theirs) in enumerate(pairs):
        for answer in mine:
            right_SC[s, clips[answer.clip]] += answer.correct
        for answer in theirs:
            right_SC[s, clips[answer.clip]] -= answer.correct
    asked_C = np.zeros(len(clips))
    for key, count in asked[0].items():
        asked_C[clips[key[0]]] += count
    return ClipDifferences(right_SC, asked_C)


@functools.lru_cache(maxsize=64)
def _read(path: Path, changed_ns: int) -> tuple[Answer, ...]:
    """Returns a file's answers as they were when it was changed last."""
    content = path.read_bytes()
    text = (gzip.decompress(content) if path.suffix == ".gz" else content).decode("utf-8")
    return tuple(_answer(json.loads(row)) for row in text.split("\n") if row)


def _answer(row: Mapping[str, Any]) -> Answer:
    return Answer(
        media=row["media"]
        if PurePath(row["media"]).is_absolute()
        else str(data_root() / row["media"]),
        start_s=row["start_s"],
        end_s=row["end_s"],
        id=row["id"],
        type=row["type"],
        question=row["question"],
        right=row["answer"],
        given=row["prediction"],
    )
