"""Captions: what they tell of sets with and without gaps, and that a run has room for them."""

from __future__ import annotations

import pytest

from mirasol import config
from mirasol.data.av_shapes.captions import QUESTION, chunk_captions, clip_captions
from mirasol.data.av_shapes.files import question_rows
from mirasol.data.av_shapes.scenes import SCENE, clip_generator, draw_scene
from mirasol.data.av_shapes.spec import variant

CLIPS = 100
LONGEST = {"av_shapes_4": 35, "av_shapes_pretraining": 35, "av_shapes_8": 53, "av_shapes_64": 53}


def rows(name: str) -> list[dict]:
    return [row for i in range(CLIPS) for row in question_rows(variant(name), "train", i)]


@pytest.mark.parametrize("name", LONGEST)
def test_chunks_with_an_event_are_told_in_order_and_no_others(name):
    whole, alone = list(clip_captions(rows(name))), list(chunk_captions(rows(name)))
    assert [row["video_id"] for row in whole] == list(range(CLIPS))
    spec = variant(name)
    for row in whole:
        mine = [each for each in alone if each["video_id"] == row["video_id"]]
        generator = clip_generator(spec, "train", row["video_id"], SCENE)
        events = draw_scene(spec, generator).events
        assert [each["part"] for each in mine] == [event.chunk + 1 for event in events]
        assert row["answer"] == " before ".join(each["answer"] for each in mine)
        for each, event in zip(mine, events, strict=True):
            words = each["answer"].split()
            assert words[:2] == [event.thing.colour, event.thing.shape]
            assert {event.thing.way, event.sound.kind} <= {*words[2:]}
    lengths = [len(row["answer"].split()) for row in whole]
    assert max(lengths) <= LONGEST[name]


def test_the_run_has_room_for_the_longest_and_words_for_all():
    converter = config.load(["runs/av_shapes_pretraining.gin"]).build().converter
    captions = [row["answer"] for row in clip_captions(rows("av_shapes_pretraining"))]
    assert LONGEST["av_shapes_pretraining"] < converter.shape.answer_length  # And the end.
    for text in captions:
        assert converter.vocabulary.unknown_words(text) == []
        assert len(converter.vocabulary.encode(text)) == len(text.split())
    assert len(converter.vocabulary.encode(QUESTION)) <= converter.shape.prompt_length


def test_clips_of_pre_training_are_others():
    ours, others = (
        {row["answer"] for row in clip_captions(rows(name))}
        for name in ("av_shapes_pretraining", "av_shapes_4")
    )
    assert len(ours & others) < CLIPS / 10
