"""The questions about a scene, their answers and their levels.

    sight     what colour comes first            what way is the ring going
    hearing   what sound comes last              how many parts have the high tone
    together  what shape comes with the noise    what sound comes with the red one
    order     what way comes after the red one   what sound comes before the low tone
    motion    what way comes first               (about one chunk alone: a first stage of training)
    parts     what colour comes first            (likewise: colour, shape and sound)

A referent must be clear: "the ring" is asked about where every event with a ring gives the same
answer, and before or after it where the ring has one run. Questions about sounds as such never
look at shapes, nor the other way round, except in *together*.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from mirasol.data.av_shapes import levels
from mirasol.data.av_shapes.scenes import Event, Scene
from mirasol.data.av_shapes.spec import FAMILIES, MOTION, PARTS, TONES, AVShapes

SEEN = ("colour", "shape", "way")
ATTRIBUTES = (*SEEN, "sound")
# What is asked of a chunk that is shown alone.
_OF_PART = {f"what {asked} comes first": asked for asked in ATTRIBUTES}


@dataclasses.dataclass(frozen=True)
class ShapesQuestion:
    """One question with its levels; `family` is the type that scores are grouped by.

    `part` is the chunk (from 1) that the question is about and that alone is shown; 0: the clip.
    """

    family: str
    question: str
    answer: str
    chance: float
    bag_oracle: float
    part: int = 0


def draw_questions(
    spec: AVShapes, scene: Scene, random: np.random.Generator
) -> list[ShapesQuestion]:
    """Returns the questions kept for a clip, family by family, in a fixed order.

    Args:
      spec: sizes and odds of the set. Of `questions_per_family`, half are about sounds where a
        family has both kinds; questions about parts are all kept.
      scene: what happens in the clip.
      random: chooses among the questions of a family, and counts so that answers are even.
    """
    limit = spec.questions_per_family
    groups = (
        (limit, _sight(spec, scene)),
        (limit, _hearing(spec, scene, random)),
        (limit // 2, _together(spec, scene, [("sound", asked) for asked in SEEN])),
        (limit // 2, _together(spec, scene, [(attribute, "sound") for attribute in SEEN])),
        (limit // 2, _order(spec, scene, ("sound",))),
        (limit // 2, _order(spec, scene, SEEN)),
        (spec.events * len(ATTRIBUTES), _parts(spec, scene)),
    )
    return [
        question
        for count, questions in groups
        for question in _choose(random, list(questions), count)
    ]


def _choose(
    random: np.random.Generator, questions: list[ShapesQuestion], limit: int
) -> list[ShapesQuestion]:
    """Returns at most `limit` of the questions in their order, each set equally likely."""
    chosen = random.choice(len(questions), min(limit, len(questions)), replace=False)
    return [questions[number] for number in sorted(chosen)]


def phrase(attribute: str, value: str) -> str:
    """Returns how a question names what has the value: "the ring", "the red one", ..."""
    if attribute == "colour":
        return f"the {value} one"
    if attribute == "way":
        return f"the one going {value}"
    if value in TONES:
        return f"the {value} tone"
    return value if value == "silence" else f"the {value}"


def _even(
    spec: AVShapes,
    scene: Scene,
    family: str,
    attribute: str,
    question: str,
    answer: str,
    excluded: str | None = None,
) -> ShapesQuestion:
    """Returns a question whose answer can be any value but `excluded`, each equally likely."""
    possible = [value for value in spec.values(attribute) if value != excluded]
    bag = scene.bag(attribute)
    return ShapesQuestion(
        family,
        question,
        answer,
        chance=levels.even_odds(len(possible)),
        bag_oracle=levels.commonest_odds({value: bag[value] for value in possible}, answer),
    )


def _first_and_last(
    spec: AVShapes, scene: Scene, family: str, attribute: str
) -> Iterator[ShapesQuestion]:
    for place, event in (("first", scene.events[0]), ("last", scene.events[-1])):
        question = f"what {attribute} comes {place}"
        yield _even(spec, scene, family, attribute, question, event.value(attribute))


def _shared_value(scene: Scene, attribute: str, value: str, asked: str) -> str | None:
    """Returns what every event with the value has in common, or None if they differ."""
    values = {event.value(asked) for event in scene.events if event.value(attribute) == value}
    return values.pop() if len(values) == 1 else None


def _sight(spec: AVShapes, scene: Scene) -> Iterator[ShapesQuestion]:
    for asked in SEEN:
        yield from _first_and_last(spec, scene, FAMILIES[0], asked)
    for attribute in SEEN:
        for value in sorted(scene.bag(attribute)):
            for asked in SEEN:
                answer = _shared_value(scene, attribute, value, asked)
                if asked != attribute and answer is not None:
                    going = " going" if asked == "way" else ""
                    question = f"what {asked} is {phrase(attribute, value)}{going}"
                    yield _even(spec, scene, FAMILIES[0], asked, question, answer)


def _hearing(spec: AVShapes, scene: Scene, random: np.random.Generator) -> Iterator[ShapesQuestion]:
    yield from _first_and_last(spec, scene, FAMILIES[1], "sound")
    yield from _count(spec, scene, random)
    yield from _tone(scene, random)


def _count(spec: AVShapes, scene: Scene, random: np.random.Generator) -> Iterator[ShapesQuestion]:
    """Yields a question for a number, or none, so that each number is right equally often."""
    kind = spec.sounds[random.integers(len(spec.sounds))]
    count = scene.bag("sound")[kind]
    rates = levels.count_keep_probabilities(spec.events, len(spec.sounds), spec.persistence)
    keep = dict(enumerate(rates))
    if random.random() < keep.get(count, 0):
        yield ShapesQuestion(
            FAMILIES[1],
            f"how many parts have {phrase('sound', kind)}",
            levels.COUNTS[count],
            chance=levels.even_odds(len(levels.COUNTS)),
            bag_oracle=1.0,
        )


def _tone(scene: Scene, random: np.random.Generator) -> Iterator[ShapesQuestion]:
    """Yields whether the first or the last tone is low or high, where there is one."""
    tones = [event.sound.kind for event in scene.events if event.sound.kind in TONES]
    place, index = (("first", 0), ("last", -1))[random.integers(2)]
    if tones:
        yield ShapesQuestion(
            FAMILIES[1],
            f"what tone comes {place}",
            tones[index],
            chance=levels.even_odds(len(TONES)),
            bag_oracle=levels.commonest_odds(Counter(tones), tones[index]),
        )


def _together(
    spec: AVShapes, scene: Scene, pairs: Sequence[tuple[str, str]]
) -> Iterator[ShapesQuestion]:
    for attribute, asked in pairs:
        for value in sorted(scene.bag(attribute)):
            answer = _shared_value(scene, attribute, value, asked)
            if answer is not None:
                question = f"what {asked} comes with {phrase(attribute, value)}"
                yield _even(spec, scene, FAMILIES[2], asked, question, answer)


def _order(spec: AVShapes, scene: Scene, attributes: Sequence[str]) -> Iterator[ShapesQuestion]:
    for attribute in attributes:
        runs = _runs(scene.events, attribute)
        values = [event.value(attribute) for event in runs]
        for number, value in enumerate(values):
            if values.count(value) > 1:
                continue
            for word, neighbour in (("before", number - 1), ("after", number + 1)):
                if 0 <= neighbour < len(runs):
                    for asked in attributes:
                        question = f"what {asked} comes {word} {phrase(attribute, value)}"
                        answer = runs[neighbour].value(asked)
                        excluded = value if asked == attribute else None
                        yield _even(spec, scene, FAMILIES[3], asked, question, answer, excluded)


def _runs(events: Sequence[Event], attribute: str) -> list[Event]:
    """Returns the first event of each run."""
    return list({event.run(attribute): event for event in reversed(events)}.values())[::-1]


def asked_of_part(question: str) -> str:
    """Returns which attribute a question about one chunk asks for."""
    return _OF_PART[question]


def _parts(spec: AVShapes, scene: Scene) -> Iterator[ShapesQuestion]:
    """Yields what is in each chunk, asked as of a clip of which it is all."""
    for event in scene.events:
        for question, asked in _OF_PART.items():
            yield ShapesQuestion(
                MOTION if asked == "way" else PARTS,
                question,
                event.value(asked),
                chance=levels.even_odds(len(spec.values(asked))),
                bag_oracle=1.0,
                part=event.chunk + 1,
            )
