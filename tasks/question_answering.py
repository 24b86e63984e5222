"""Sets of questions in words: MSRVTT-QA, MSVD-QA, ActivityNet-QA, NExT-QA.

    msrvtt_qa, msvd_qa, activitynet_qa
    nextqa_mc            the question is shown with its five options
    nextqa_mc_question   without them, for a model that scores options
    nextqa_oe            open-ended, scored by WUPS

Files lie in `MIRASOL_DATA/<task>` (docs/benchmarks.md); both variants of nextqa_mc share a folder.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mirasol.data.benchmarks.activitynet_qa import ACTIVITYNET_QA
from mirasol.data.benchmarks.benchmark import Benchmark
from mirasol.data.benchmarks.nextqa import NEXTQA_MC, NEXTQA_MC_QUESTION, NEXTQA_OE, STOP_WORDS
from mirasol.data.benchmarks.question_json import MSRVTT_QA, MSVD_QA
from mirasol.data.benchmarks.registration import register
from mirasol.evaluation.question_answering import (
    activitynet_answers,
    letter_and_type_answers,
    option_answers,
    word_answers,
)
from mirasol.evaluation.wordnet import wordnet_or_none
from mirasol.evaluation.wups import wups_by_type


def open_answers(
    targets: Sequence[Mapping[str, Any]], predictions: Sequence[str]
) -> dict[str, float]:
    """Returns WUPS and exact match; without a WordNet (MIRASOL_WORDNET=none) the latter alone."""
    lexicon = wordnet_or_none()
    if lexicon is None:
        return letter_and_type_answers(targets, predictions)
    stop_words = set((NEXTQA_OE.folder / STOP_WORDS).read_text(encoding="utf-8").split())
    return wups_by_type(targets, predictions, lexicon=lexicon, stop_words=stop_words)


def _require_wordnet(benchmark: Benchmark, split: str) -> None:
    if split != "train":
        wordnet_or_none()


register(MSRVTT_QA, [word_answers])
register(MSVD_QA, [word_answers])
register(ACTIVITYNET_QA, [activitynet_answers])
register(NEXTQA_MC, [option_answers])
register(NEXTQA_MC_QUESTION, [option_answers])
register(NEXTQA_OE, [open_answers], before_reading=_require_wordnet)
