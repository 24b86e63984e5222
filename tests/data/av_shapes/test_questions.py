"""Questions: right, unambiguous, and no better than chance by themselves."""

import collections
import dataclasses
import functools

import numpy as np
import pytest

from mirasol.data.av_shapes.levels import COUNTS
from mirasol.data.av_shapes.questions import ATTRIBUTES, draw_questions
from mirasol.data.av_shapes.scenes import (
    QUESTIONS,
    SCENE,
    Event,
    Scene,
    Sound,
    Thing,
    clip_generator,
    draw_scene,
)
from mirasol.data.av_shapes.spec import FAMILIES, MOTION, PARTS, TONES, variant

SPEC = variant("av_shapes_4")
ALL = dataclasses.replace(SPEC, questions_per_family=1000)


def scene_of(*events: tuple[str, str, str, str]) -> Scene:
    """Returns a scene of (colour, shape, way, sound) in consecutive chunks."""
    made, things, sounds = [], [], []
    for chunk, (colour, shape, way, sound) in enumerate(events):
        if not things or things[-1] != (colour, shape, way):
            things.append((colour, shape, way))
        if not sounds or sounds[-1] != sound:
            sounds.append(sound)
        thing = Thing(colour, shape, way, 12.0, 4.0, 0.0, 0.0)
        made.append(
            Event(chunk, thing, len(things), Sound(sound, 300.0, 0.1, 0.1, 0.3), len(sounds))
        )
    return Scene(len(events), tuple(made))


def asked(scene: Scene, family: str) -> dict[str, str]:
    questions = draw_questions(ALL, scene, np.random.default_rng(0))
    return {q.question: q.answer for q in questions if q.family == family}


@functools.cache
def sample(name: str, count: int, split: str = "train"):
    """Returns (scene, questions about the whole clip) of so many clips of a shipped variant."""
    spec = variant(name)
    clips = []
    for index in range(count):
        scene = draw_scene(spec, clip_generator(spec, split, index, SCENE))
        random = clip_generator(spec, split, index, QUESTIONS)
        questions = draw_questions(spec, scene, random)
        clips.append((scene, [question for question in questions if not question.part]))
    return clips


SCENE_A = scene_of(
    ("red", "ring", "left", "low"),
    ("red", "ring", "left", "high"),
    ("blue", "cross", "up", "high"),
    ("green", "ring", "down", "low"),
)


def test_sight_asks_only_where_the_answer_is_clear():
    sight = asked(SCENE_A, "sight")
    assert sight["what colour comes first"] == "red"
    assert sight["what way comes last"] == "down"
    assert sight["what shape is the red one"] == "ring"
    assert sight["what way is the cross going"] == "up"
    assert sight["what colour is the one going down"] == "green"
    assert "what colour is the ring" not in sight


def test_hearing():
    hearing = asked(SCENE_A, "hearing")
    assert hearing["what sound comes first"] == hearing["what sound comes last"] == "low"
    assert all(
        answer == "low" for question, answer in hearing.items() if question.startswith("what tone")
    )


def test_counts_are_right_where_asked():
    found = {}
    for seed in range(50):
        questions = draw_questions(ALL, SCENE_A, np.random.default_rng(seed))
        found.update({q.question: q.answer for q in questions if q.question.startswith("how many")})
    assert found == {
        "how many parts have the low tone": "two",
        "how many parts have the high tone": "two",
        "how many parts have the noise": "zero",
        "how many parts have silence": "zero",
    }


def test_together_joins_what_happens_at_once():
    assert asked(SCENE_A, "together") == {
        "what shape comes with the low tone": "ring",
        "what sound comes with the blue one": "high",
        "what sound comes with the green one": "low",
        "what sound comes with the cross": "high",
        "what sound comes with the one going up": "high",
        "what sound comes with the one going down": "low",
    }


def test_order_goes_by_runs_of_a_referent_that_has_one():
    order = asked(SCENE_A, "order")
    assert order["what colour comes after the red one"] == "blue"
    assert order["what way comes before the green one"] == "up"
    assert order["what sound comes before the high tone"] == "low"
    assert order["what sound comes after the high tone"] == "low"
    assert not [question for question in order if question.endswith(("the ring", "the low tone"))]
    assert "what colour comes before the red one" not in order


def test_single_chunks_are_asked_as_if_they_were_the_clip():
    questions = draw_questions(ALL, SCENE_A, np.random.default_rng(0))
    answers = {(q.part, q.question): q.answer for q in questions if q.part}
    assert len(answers) == 16
    assert answers[3, "what colour comes first"] == "blue"
    assert answers[4, "what sound comes first"] == "low"
    families = {q.question: q.family for q in questions if q.part}
    assert families.pop("what way comes first") == MOTION
    assert set(families.values()) == {PARTS}
    assert all(q.bag_oracle == 1 for q in questions if q.part)


def test_limits_and_families():
    for _, questions in sample(SPEC.name, 2000)[:30]:
        per_family = collections.Counter(question.family for question in questions)
        assert set(per_family) <= set(FAMILIES)
        assert all(per_family[family] <= SPEC.questions_per_family for family in FAMILIES)
        assert len({question.question for question in questions}) == len(questions)
        assert all(len(question.question.split()) <= 8 for question in questions)


VARIANTS = ["av_shapes_4", pytest.param("av_shapes_16", marks=pytest.mark.slow)]


@pytest.mark.parametrize("name", VARIANTS)
def test_the_question_alone_gives_chance(name):
    """The most frequent answer to each question, found on some clips, scores chance on others."""
    frequent = collections.defaultdict(collections.Counter)
    for _, questions in sample(name, 2000):
        for question in questions:
            frequent[question.question][question.answer] += 1
    for answers in frequent.values():
        if answers.total() > 400:
            assert max(answers.values()) < min(answers.values()) + 6 * answers.total() ** 0.5
    score, chance = _scores(name, lambda scene, question: frequent[question.question], "chance")
    for family in FAMILIES:
        assert score[family] == pytest.approx(chance[family], abs=0.04), family


def test_levels_of_questions():
    levels = {
        q.question: (q.chance, q.bag_oracle)
        for q in draw_questions(ALL, SCENE_A, np.random.default_rng(0))
        if not q.part
    }
    assert levels["what colour comes first"] == (1 / 4, 1)  # Red: twice, blue and green once.
    assert levels["what colour comes last"] == (1 / 4, 0)
    assert levels["what shape is the red one"] == (1 / 3, 1)
    assert levels["what sound comes last"] == (1 / 4, 1 / 2)
    assert levels["what sound comes with the blue one"] == (1 / 4, 1 / 2)
    assert levels["what colour comes after the red one"] == (
        1 / 3,
        1 / 2,
    )  # Not red: blue or green.
    assert levels["what way comes after the red one"] == (1 / 4, 0)


# What one who learns from counts may score above the commonest: where the cross and blue occur
# three times each, blue is the cross's colour. Shapes and sounds come and go apart: nothing.
REACH = {"sight": 0.1, "hearing": 0.02, "together": 0.02, "order": 0.08}


@pytest.mark.parametrize("name", VARIANTS)
def test_how_much_more_the_bags_tell_than_the_commonest(name):
    """On some clips it is learned how often a right answer occurs, by kind of question and counts.

    One who then names a value that occurs so often, ties by lot, is scored on others.
    """
    learned = collections.defaultdict(collections.Counter)
    for scene, questions in sample(name, 2000):
        for question in questions:
            kind, counts = _counts(name, scene, question)
            times = counts[question.answer]
            ways = list(counts.values()).count(times)
            learned[kind, tuple(sorted(counts.values()))][times] += 1 / ways
    right, levels = collections.defaultdict(list), collections.defaultdict(list)
    for scene, questions in sample(name, 500, "test"):
        for question in questions:
            kind, counts = _counts(name, scene, question)
            known = learned[kind, tuple(sorted(counts.values()))]
            named = max(counts.values(), key=lambda times, known=known: known[times])
            ways = list(counts.values()).count(named)
            right[question.family].append((counts[question.answer] == named) / ways)
            levels[question.family].append(question.bag_oracle)
    for family in FAMILIES:
        more = np.mean(right[family]) - np.mean(levels[family])
        assert -0.02 < more < REACH[family], family


def _counts(name, scene, question):
    """Returns the kind of question, and how often each possible answer occurs."""
    spec, words = variant(name), question.question.split()
    if words[0] == "how":
        return "count", {number: int(number == question.answer) for number in COUNTS}
    if words[1] == "tone":
        return "tone", {tone: scene.bag("sound")[tone] for tone in TONES}
    attributes = {value: each for each in ATTRIBUTES for value in spec.values(each)}
    (named,) = [word for word in words[2:] if word in attributes] or [None]
    counts = {value: scene.bag(words[1])[value] for value in spec.values(words[1])}
    if question.family == "order" and attributes[named] == words[1]:
        del counts[named]
    times = named and scene.bag(attributes[named])[named]
    return (question.family, words[1], words[2], times), counts


def _scores(name, table, level):
    """Returns the accuracy of the table's most frequent answers, and the mean level."""
    right, levels = collections.defaultdict(list), collections.defaultdict(list)
    for scene, questions in sample(name, 500, "test"):
        for question in questions:
            answers = table(scene, question).most_common(1)
            right[question.family].append(bool(answers) and answers[0][0] == question.answer)
            levels[question.family].append(getattr(question, level))
    return (
        {family: np.mean(values) for family, values in right.items()},
        {family: np.mean(values) for family, values in levels.items()},
    )


def test_counts_come_equally_often():
    counts = collections.Counter(
        question.answer
        for _, questions in sample(SPEC.name, 2000)
        for question in questions
        if question.question.startswith("how many")
    )
    assert set(counts) == set(COUNTS)
    assert max(counts.values()) < 1.25 * min(counts.values())
