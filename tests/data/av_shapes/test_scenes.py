"""Scenes: drawn from a seed, in runs, with motion that goes on."""

import collections
import dataclasses
import itertools

import pytest

from mirasol.data.av_shapes.scenes import EDGE_PX, SCENE, Thing, clip_generator, draw_scene
from mirasol.data.av_shapes.spec import (
    CHUNK_FRAMES,
    COLOURS,
    IMAGE_SIZE_PX,
    VARIANTS,
    AVShapes,
    variant,
)

SPEC = variant("av_shapes_4")


def scenes(spec: AVShapes, count: int, split: str = "train"):
    return [draw_scene(spec, clip_generator(spec, split, i, SCENE)) for i in range(count)]


def test_a_clip_depends_on_seed_split_and_index_alone():
    first = scenes(SPEC, 20)
    assert first == scenes(dataclasses.replace(SPEC, name="other", train=1), 20)
    assert len({*first, *scenes(SPEC, 20, "test")}) == 40
    assert len({*first, *scenes(dataclasses.replace(SPEC, seed=1), 20)}) == 40


def test_a_new_thing_differs_in_everything_and_a_new_sound_in_kind():
    changes = collections.Counter()
    for scene in scenes(SPEC, 300):
        for earlier, later in itertools.pairwise(scene.events):
            same_thing = later.thing_run == earlier.thing_run
            assert (earlier.thing == later.thing) == same_thing
            for attribute in ("colour", "shape", "way"):
                assert (earlier.value(attribute) == later.value(attribute)) == same_thing
            same_sound = later.sound_run == earlier.sound_run
            assert (earlier.sound == later.sound) == same_sound
            assert (earlier.sound.kind == later.sound.kind) == same_sound
            changes["thing"] += not same_thing
            changes["sound"] += not same_sound
    # 900 pairs; five standard deviations are 70.
    assert changes["thing"] == pytest.approx(900 * (1 - SPEC.persistence), abs=70)
    assert changes["sound"] == pytest.approx(900 * (1 - SPEC.persistence), abs=70)


def test_values_come_equally_often():
    colours = collections.Counter(
        event.thing.colour for scene in scenes(SPEC, 1000) for event in scene.events
    )
    assert set(colours) == set(COLOURS)
    assert max(colours.values()) - min(colours.values()) < 200


def test_a_thing_moves_straight_and_comes_in_again_in_the_next_chunk():
    thing = Thing("red", "ring", "left", radius_px=12, speed_px=4, x_px=50, y_px=20)
    assert thing.centre_px(0) == (50, 20)
    assert thing.centre_px(7) == (22, 20)
    assert thing.centre_px(8) == thing.centre_px(0)
    assert dataclasses.replace(thing, way="down").centre_px(3) == (50, 32)


def test_every_centre_stays_in_the_frame():
    for scene in scenes(SPEC, 200):
        for event in scene.events:
            for frame in (0, CHUNK_FRAMES - 1):
                for place_px in event.thing.centre_px(frame):
                    assert EDGE_PX <= place_px <= IMAGE_SIZE_PX - EDGE_PX


@pytest.mark.parametrize("spec", VARIANTS.values(), ids=list(VARIANTS))
def test_long_clips_keep_their_events_and_grow_gaps(spec):
    for scene in scenes(spec, 20):
        chunks = [event.chunk for event in scene.events]
        assert len(chunks) == spec.events
        assert chunks == sorted(set(chunks))
        assert set(chunks) <= set(range(spec.chunks))
        assert ("silence" in spec.sounds) == (spec.events == spec.chunks)


def test_sizes_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match=r"events is 9.*chunks \(4\)"):
        dataclasses.replace(SPEC, events=9)
    with pytest.raises(ValueError, match="persistence is 1"):
        dataclasses.replace(SPEC, persistence=1)
    with pytest.raises(ValueError, match="train is -1"):
        dataclasses.replace(SPEC, train=-1)
    with pytest.raises(ValueError, match="did you mean 'av_shapes_4'"):
        variant("av_shape_4")
