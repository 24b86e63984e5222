"""WUPS, the score of open-ended NExT-QA: words that are near in WordNet count in part.

    W(A, B)   = product over a in A of max over b in B of wup(a, b), zero maxima left out;
                0 if all are zero
    WUPS(p,t) = min(W(p, t), W(t, p))
    wup(a, b) = 1 if equal; 0 if either has no synset; else the Wu-Palmer similarity of their first
                synsets, times 0.1 where it is below alpha

p and t are the lemmas of prediction and answer without stop words. Of two right answers the better
one counts. Questions of type DC and DB (counts, yes or no) are right where p equals t.
Malinowski and Fritz, 2014, as doc-doc/NExT-OE computes it.
"""

from __future__ import annotations

import abc
import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from mirasol.evaluation.metrics import exact_match_by_type, members, require_pairs
from mirasol.evaluation.question_answering import letter_and_type

ALPHAS = (0.0, 0.9)
EXACT_TYPES = ("DC", "DB")


class Lexicon(abc.ABC):
    """What WUPS needs to know of a language."""

    @abc.abstractmethod
    def words(self, text: str) -> list[str]:
        """Returns the words of a text."""

    @abc.abstractmethod
    def lemmas(self, text: str) -> list[str]:
        """Returns the lemma of each word of a text."""

    @abc.abstractmethod
    def similarity(self, first: str, second: str) -> float:
        """Returns the Wu-Palmer similarity of the first synsets; 0 where there is none."""


def word_similarity(first: str, second: str, alpha: float, lexicon: Lexicon) -> float:
    """Returns wup(first, second) as above, 0..1."""
    if first == second:
        return 1.0
    similarity = lexicon.similarity(first, second)
    return similarity if similarity >= alpha else 0.1 * similarity


def wups(first: Sequence[str], second: Sequence[str], alpha: float, lexicon: Lexicon) -> float:
    """Returns min(W(first, second), W(second, first)), 0..1; two empty texts have 0."""
    return min(_one_way(first, second, alpha, lexicon), _one_way(second, first, alpha, lexicon))


def wups_by_type(
    targets: Sequence[Mapping[str, Any]],
    predictions: Sequence[str],
    *,
    lexicon: Lexicon,
    stop_words: Collection[str],
) -> dict[str, float]:
    """Returns WUPS overall, per type of question and per first letter of the type.

    Args:
      targets: annotation rows: `answer`, `references` (optional further answers), `type`.
      predictions: one answer a row.
      lexicon: lemmas and similarities.
      stop_words: lemmas that do not count.

    Returns:
      `wups_0` and `wups_0.9`, 0..1, and the same followed by `/<type>`; exact match as `accuracy`.
    """
    require_pairs(targets, predictions)
    scores = exact_match_by_type(targets, predictions, groups=letter_and_type)
    groups = members(targets, letter_and_type)
    for alpha in ALPHAS:
        values = np.array(
            [
                _row_value(row, prediction, alpha, lexicon, stop_words)
                for row, prediction in zip(targets, predictions, strict=True)
            ]
        )
        scores[f"wups_{alpha:g}"] = float(values.mean())
        for name, places in groups.items():
            scores[f"wups_{alpha:g}/{name}"] = float(values[places].mean())
    return scores


def content(text: str, lexicon: Lexicon, stop_words: Collection[str]) -> str:
    """Returns the lemmas of a text that are no stop words, with blanks between them."""
    return " ".join(lemma for lemma in lexicon.lemmas(text) if lemma not in stop_words)


def _row_value(
    row: Mapping[str, Any],
    prediction: str,
    alpha: float,
    lexicon: Lexicon,
    stop_words: Collection[str],
) -> float:
    given = content(prediction, lexicon, stop_words)
    answers = [
        content(answer, lexicon, stop_words)
        for answer in (str(row["answer"]), *row.get("references", ()))
    ]
    if row["type"] in EXACT_TYPES:
        return float(given in answers)
    return max(
        wups(lexicon.words(given), lexicon.words(answer), alpha, lexicon) for answer in answers
    )


def _one_way(first: Sequence[str], second: Sequence[str], alpha: float, lexicon: Lexicon) -> float:
    """Returns W(first, second)."""
    best = [max((word_similarity(a, b, alpha, lexicon) for b in second), default=0) for a in first]
    return math.prod(value for value in best if value) if any(best) else 0.0
