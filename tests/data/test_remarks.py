import pytest
from toy_media import shape, write_media

from mirasol.data.converter import Converter
from mirasol.data.remarks import remarks
from mirasol.data.sampling import RandomSegmentSampling
from mirasol.data.vocabulary import SentencePieceVocabulary

SHAPE = shape(questions=1, answer_length=2)
QUESTION = "what way is the ring going"


def made(**options) -> Converter:
    vocabulary = SentencePieceVocabulary("vocabularies/av_shapes.model")
    return Converter(SHAPE, vocabulary, **({"frame_rate": 25.0} | options))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("remarks")


def test_nothing_is_said_of_a_file_that_is_seen_and_heard_whole(folder):
    clip = write_media(folder / "clip.mp4", frames=32)
    assert remarks(made(), clip, QUESTION) == []


def test_how_much_of_a_long_file_was_looked_at(folder):
    long = write_media(folder / "long.mp4", frames=75)
    assert remarks(made(), long, QUESTION) == ["answered from the first 1.28 s of 3 s"]
    assert remarks(made(frame_rate=None), long, QUESTION) == []  # Spread over all of it.
    middle = made(frame_rate=None, sampling=RandomSegmentSampling(1.0))
    assert remarks(middle, long, QUESTION) == ["answered from 1 s to 2 s of 3 s"]


def test_a_missing_track_is_told_where_it_is_wanted(folder):
    silent = write_media(folder / "silent.mp4", audio=False)
    dark = write_media(folder / "dark.mp4", video=False)
    assert remarks(made(), silent, QUESTION) == [
        f"no sound in {silent}: answered from the pictures alone"
    ]
    assert remarks(made(), dark, QUESTION) == [
        f"no pictures in {dark}: answered from the sound alone"
    ]
    assert remarks(made(audio=False), silent, QUESTION) == []
    assert remarks(made(video=False), silent, QUESTION) == [
        f"no sound in {silent}: answered from the question alone"
    ]


def test_unknown_words_are_told(folder):
    clip = write_media(folder / "words.mp4")
    assert remarks(made(), clip, "what is a cat") == ["the vocabulary does not know 'a', 'cat'"]
