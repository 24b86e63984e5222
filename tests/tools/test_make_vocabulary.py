"""The shipped vocabulary of AV-Shapes: one piece a word, and anything else in bytes."""

import runpy
from pathlib import Path

import pytest
import sentencepiece

from mirasol.data.av_shapes.questions import draw_questions
from mirasol.data.av_shapes.scenes import QUESTIONS, SCENE, clip_generator, draw_scene
from mirasol.data.av_shapes.spec import VARIANTS

ROOT = Path(__file__).parents[2]
MODEL = ROOT / "gin/vocabularies/av_shapes.model"


@pytest.fixture(scope="module")
def processor():
    return sentencepiece.SentencePieceProcessor(model_file=str(MODEL))


def test_the_shipped_file_is_what_the_tool_writes():
    tool = runpy.run_path(str(ROOT / "tools/make_vocabulary.py"))
    assert tool["vocabulary_model"]() == MODEL.read_bytes()


def test_special_ids(processor):
    ids = processor.pad_id(), processor.eos_id(), processor.unk_id(), processor.bos_id()
    assert ids == (0, 1, 2, -1)
    assert processor.get_piece_size() == 364


@pytest.mark.parametrize("spec", VARIANTS.values(), ids=list(VARIANTS))
def test_every_word_is_one_piece(processor, spec):
    texts = set()
    for index in range(60):
        scene = draw_scene(spec, clip_generator(spec, "train", index, SCENE))
        for question in draw_questions(
            spec, scene, clip_generator(spec, "train", index, QUESTIONS)
        ):
            texts |= {question.question, question.answer}
    assert len(texts) > 100
    for text in texts:
        ids = processor.encode(text)
        assert len(ids) == len(text.split()), text
        assert min(ids) > 259, text
        assert processor.decode(ids) == text


@pytest.mark.parametrize("text", ["Hello, Wörld!", "ringing 10", "日本", "the red one?"])
def test_any_text_comes_back(processor, text):
    ids = processor.encode(text)
    assert processor.unk_id() not in ids
    assert processor.decode(ids) == text
