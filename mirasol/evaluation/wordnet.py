"""WordNet and English lemmas through NLTK, for WUPS.

Neither the dictionary nor the tagger comes with this package: NLTK's downloader fetches both, and
NLTK finds them. MIRASOL_WORDNET names a folder of NLTK data besides those that NLTK looks in
(`corpora/wordnet`, `taggers/averaged_perceptron_tagger_eng`). MIRASOL_WORDNET=none leaves WUPS out.
"""

from __future__ import annotations

import functools
import os
import warnings
from pathlib import Path
from typing import Any

from mirasol.evaluation.wups import Lexicon

VARIABLE = "MIRASOL_WORDNET"
WITHOUT = "none"

# Penn Treebank tags begin so; WordNet has a noun, an adjective, a verb, an adverb.
_PARTS_OF_SPEECH = {"NN": "n", "JJ": "a", "VB": "v", "RB": "r"}


class NoWordNetError(ValueError):
    """NLTK, the dictionary or the tagger is not there."""


class WordNet(Lexicon):
    """English as the official evaluation of NExT-QA reads it.

    The lemma of a word goes by its tag in the text; where that is of no open class, by the tag that
    the word has alone; else it is taken for a noun. A lemma that WordNet does not know gives way to
    the word's Porter stem if WordNet knows that one, and else to the word itself, in lower case.

    Args:
      folder: of NLTK data, before those that NLTK looks in; None: these alone.
      tagger: a text's words -> (word, Penn tag); None: NLTK's perceptron tagger.

    Raises:
      NoWordNetError: something is not there; says what to do.
    """

    def __init__(self, folder: Path | None = None, tagger: Any = None) -> None:
        try:
            import nltk
        except ImportError:
            raise NoWordNetError(
                f"WUPS needs NLTK: pip install 'mirasol[wups]', or set {VARIABLE}={WITHOUT}"
            ) from None
        if folder is not None and str(folder) not in nltk.data.path:
            nltk.data.path.insert(0, str(folder))
        self._tokenise = nltk.tokenize.NLTKWordTokenizer().tokenize
        self._tag = tagger or _tagger(nltk)
        self._dictionary = _dictionary(nltk)
        self._stem = nltk.stem.PorterStemmer().stem
        self._known_similarity = functools.lru_cache(maxsize=1 << 20)(self._similarity)

    def words(self, text: str) -> list[str]:
        """Returns words and marks as the Penn Treebank splits them."""
        return self._tokenise(text)

    def lemmas(self, text: str) -> list[str]:
        """Returns the lemma of each word."""
        return [self._lemma(word.lower(), tag) for word, tag in self._tag(self.words(text))]

    def similarity(self, first: str, second: str) -> float:
        """Returns the Wu-Palmer similarity of the first synsets; 0 where there is none."""
        return self._known_similarity(first, second)

    def _similarity(self, first: str, second: str) -> float:
        synsets = [self._dictionary.synsets(word) for word in (first, second)]
        if not all(synsets):
            return 0.0
        return float(synsets[0][0].wup_similarity(synsets[1][0]) or 0.0)

    def _lemma(self, word: str, tag: str) -> str:
        alone = "" if tag[:2] in _PARTS_OF_SPEECH else self._tag([word])[0][1]
        part_of_speech = _PARTS_OF_SPEECH.get((alone or tag)[:2], "n")
        forms = self._dictionary._morphy(word, part_of_speech)  # Its lemmatiser has no other door.
        lemma = min(forms, key=len) if forms else word
        for known in (lemma, self._stem(word)):
            if self._dictionary.synsets(known):
                return known
        return word


@functools.lru_cache(maxsize=1)
def wordnet_or_none() -> WordNet | None:
    """Returns the lexicon that MIRASOL_WORDNET says; None if it says none.

    Raises:
      NoWordNetError: it is not there.
    """
    value = os.environ.get(VARIABLE, "")
    if value == WITHOUT:
        return None
    return WordNet(Path(value).expanduser() if value else None)


def _dictionary(nltk: Any) -> Any:
    from nltk.corpus.reader.wordnet import WordNetCorpusReader
    from nltk.corpus.util import LazyCorpusLoader

    dictionary = LazyCorpusLoader("wordnet", WordNetCorpusReader, None)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # It misses the tables of other languages.
            dictionary.ensure_loaded()
    except (LookupError, OSError):
        raise _missing(nltk, "WordNet", "wordnet") from None
    return dictionary


def _tagger(nltk: Any) -> Any:
    try:
        nltk.data.find("taggers/averaged_perceptron_tagger_eng/")
    except (LookupError, OSError):
        raise _missing(nltk, "tagger", "averaged_perceptron_tagger_eng") from None
    return nltk.pos_tag


def _missing(nltk: Any, what: str, name: str) -> NoWordNetError:
    folders = ", ".join(nltk.data.path) or "no folder"
    return NoWordNetError(
        f"WUPS needs NLTK's {what}, which is in none of {folders}: "
        f"run python -m nltk.downloader {name}, or set {VARIABLE} to a folder of NLTK data that "
        f"holds it, or {VARIABLE}={WITHOUT} to leave WUPS out"
    )
