import pickle

import pytest
import sentencepiece

from mirasol.data.vocabulary import ByteVocabulary, SentencePieceVocabulary

TEXTS = ["ring", "What comes after the red one?", "", "naïve façade — 形", "\n\t"]


def seqio_bytes(texts):
    """Returns seqio's own ids and size of byte vocabularies; runs beside seqio."""
    from mirasol.data.source import import_seqio

    vocabulary = import_seqio().ByteVocabulary()
    return [list(vocabulary.encode(text)) for text in texts], vocabulary.vocab_size


@pytest.fixture(scope="module")
def model_path(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pieces")
    text = folder / "text.txt"
    text.write_text("what comes after the red ring\nwhich way does the shape move\n" * 20)
    sentencepiece.SentencePieceTrainer.train(
        input=str(text),
        model_prefix=str(folder / "words"),
        vocab_size=40,
        pad_id=0,
        eos_id=1,
        unk_id=2,
        bos_id=-1,
        hard_vocab_limit=False,
        minloglevel=2,
    )
    return str(folder / "words.model")


@pytest.mark.parametrize("text", TEXTS)
def test_bytes_go_there_and_back(text):
    vocabulary = ByteVocabulary()
    ids = vocabulary.encode(text)
    assert vocabulary.decode(ids) == text
    assert all(3 <= i < vocabulary.size for i in ids)


def test_byte_ids_are_those_of_seqio(seqio_process):
    vocabulary = ByteVocabulary()
    ids, size = seqio_process(seqio_bytes, TEXTS)
    assert [vocabulary.encode(text) for text in TEXTS] == ids
    assert vocabulary.size == size


def test_decoding_stops_at_the_end_and_drops_padding():
    vocabulary = ByteVocabulary()
    assert (
        vocabulary.decode([0, *vocabulary.encode("ring"), 1, *vocabulary.encode("x"), 0]) == "ring"
    )
    assert vocabulary.decode([2, 258 + 3, 195 + 3]) == ""  # Unknown, out of range, half a letter.


def test_pieces_go_there_and_back_also_in_another_process(model_path):
    vocabulary = SentencePieceVocabulary(model_path)
    copy = pickle.loads(pickle.dumps(vocabulary))
    ids = copy.encode("which way does the red ring move")
    assert ids == vocabulary.encode("which way does the red ring move")
    assert copy.decode([*ids, 1, 5]) == "which way does the red ring move"
    assert max(ids) < copy.size == vocabulary.size


def test_words_without_a_piece_of_their_own_are_told():
    vocabulary = SentencePieceVocabulary("vocabularies/av_shapes.model")
    assert vocabulary.unknown_words("what cat is the Ring, ring") == ["cat", "Ring,"]
    assert ByteVocabulary().unknown_words("what cat") == []


def test_words_of_unknown_letters_are_told(model_path):
    assert SentencePieceVocabulary(model_path).unknown_words("the Ω ring") == ["Ω"]


def test_a_missing_vocabulary_says_where_it_was_sought():
    with pytest.raises(ValueError, match=r"'no\.model'; looked for .*gin/no\.model"):
        SentencePieceVocabulary("no.model")


def test_other_special_ids_are_refused(model_path, tmp_path):
    prefix = str(tmp_path / "plain")
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(["red ring", "blue cross"] * 10),
        model_prefix=prefix,
        vocab_size=20,
        hard_vocab_limit=False,
        minloglevel=2,
    )
    with pytest.raises(ValueError, match=r"\(-1, 2, 0\); they must be \(0, 1, 2\)"):
        SentencePieceVocabulary(prefix + ".model")
