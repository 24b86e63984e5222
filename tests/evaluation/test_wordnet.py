"""The lexicon on NLTK, with a small made-up dictionary in WordNet's own file format.

thing > animal > bird > owl, gull;  thing > tool > saw;  the verb "hoot"
"""

from __future__ import annotations

import gc
import sys
import warnings
from pathlib import Path

import pytest

from mirasol.evaluation.wordnet import NoWordNetError, WordNet, wordnet_or_none
from mirasol.evaluation.wups import wups

NOUNS = {
    "thing": None,
    "animal": "thing",
    "bird": "animal",
    "owl": "bird",
    "gull": "bird",
    "tool": "thing",
    "saw": "tool",
}
PARTS = {"noun": "n", "verb": "v", "adj": "a", "adv": "r"}


def write_part(folder: Path, part: str, parents: dict[str, str | None]) -> None:
    """Writes data.<part> and index.<part>; a synset is known by its place in the file, in bytes."""
    code = PARTS[part]
    head = "  1 made up for a test\n"

    def line(word, offsets):
        parent = parents[word]
        pointers = f"001 @ {offsets[parent]:08d} {code} 0000 " if parent else "000 "
        frames = "01 + 02 00 " if part == "verb" else ""
        return f"{offsets[word]:08d} 00 {code} 01 {word} 0 {pointers}{frames}| made up  \n"

    offsets = dict.fromkeys(parents, 0)
    place = len(head)
    for word in parents:
        offsets[word] = place
        place += len(line(word, offsets))
    lines = [line(word, offsets) for word in parents]
    (folder / f"data.{part}").write_text(head + "".join(lines))
    index = [
        f"{word} {code} 1 {'1 @' if parents[word] else '0'} 1 0 {offsets[word]:08d}  \n"
        for word in sorted(parents)
    ]
    (folder / f"index.{part}").write_text(head + "".join(index))


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("nltk_data")
    made = root / "corpora" / "wordnet"
    made.mkdir(parents=True)
    parts = {"noun": NOUNS, "verb": {"hoot": None}, "adj": {}, "adv": {}}
    for part, words in parts.items():
        write_part(made, part, words)
        (made / f"{part}.exc").write_text("geese gull\n" if part == "noun" else "")
    (made / "lexnames").write_text("00\tnoun.made_up\t1\n")
    (made / "cntlist.rev").write_text("")
    (made / "index.sense").write_text("")
    return root


def tag(words):
    tags = {"hooted": "VBD", "hoots": "VBZ", "the": "DT", "upon": "IN"}
    return [(word, tags.get(word, "NNS")) for word in words]


@pytest.fixture(scope="module")
def lexicon(folder):
    made = WordNet(folder, tagger=tag)
    yield made
    with warnings.catch_warnings():  # NLTK leaves its files open.
        warnings.simplefilter("ignore", ResourceWarning)
        made._dictionary._data_file_map.clear()
        gc.collect()


def test_similarities_are_wu_and_palmers(lexicon):
    assert lexicon.similarity("owl", "gull") == pytest.approx(2 * 3 / 8)
    assert lexicon.similarity("owl", "saw") == pytest.approx(2 * 1 / 7)
    assert lexicon.similarity("owl", "zzz") == 0.0


def test_lemmas_go_by_the_tag(lexicon):
    assert lexicon.lemmas("The owls hooted") == ["the", "owl", "hoot"]
    assert lexicon.lemmas("geese hoots") == ["gull", "hoot"]


def test_a_word_that_is_not_known_gives_way_to_its_stem_or_stays(lexicon):
    assert lexicon.lemmas("birdness") == ["bird"]
    assert lexicon.lemmas("zzzing upon") == ["zzzing", "upon"]


def test_words_are_split_as_the_penn_treebank_does(lexicon):
    assert lexicon.words("can't see, owls") == ["ca", "n't", "see", ",", "owls"]


def test_wups_on_it(lexicon):
    given, answer = lexicon.lemmas("owls"), lexicon.lemmas("gulls")
    assert wups(given, answer, 0.0, lexicon) == pytest.approx(0.75)
    assert wups(given, answer, 0.9, lexicon) == pytest.approx(0.075)


def test_without_nltk_the_error_says_what_to_install(monkeypatch, folder):
    monkeypatch.setitem(sys.modules, "nltk", None)
    with pytest.raises(NoWordNetError, match=r"pip install 'mirasol\[wups\]'"):
        WordNet(folder)


def test_what_is_not_there_is_named(monkeypatch, folder, tmp_path):
    import nltk

    monkeypatch.setattr(nltk.data, "path", [])
    with pytest.raises(NoWordNetError, match=rf"WordNet, which is in none of {tmp_path}: run"):
        WordNet(tmp_path, tagger=tag)
    with pytest.raises(NoWordNetError, match=r"nltk.downloader averaged_perceptron_tagger_eng"):
        WordNet(folder)


def test_wups_can_be_left_out(monkeypatch):
    wordnet_or_none.cache_clear()
    monkeypatch.setenv("MIRASOL_WORDNET", "none")
    assert wordnet_or_none() is None
    wordnet_or_none.cache_clear()
