"""What happens in a clip: which shape moves how in which chunk, and what sounds there.

A scene is drawn without pixels or samples, so thousands take a second. Shapes and sounds come in
runs that start and end independently of each other:

    chunk     1          2          3          4
    shape     red ring   red ring   blue cross green ring
    sound     low        noise      noise      silence

All draws treat the values of an attribute alike. The levels of `levels.py` rest on that symmetry.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from mirasol.data.av_shapes.spec import (
    CHUNK_FRAMES,
    CHUNK_S,
    COLOURS,
    IMAGE_SIZE_PX,
    SHAPES,
    SPLITS,
    WAYS,
    AVShapes,
)

PITCH_RANGES_HZ = {"low": (200.0, 400.0), "high": (1000.0, 1800.0), "rise": (400.0, 500.0)}
# Streams of random numbers of a clip, so that a change to one leaves the others as they are.
SCENE, QUESTIONS, MEDIA = range(3)
# A centre comes no nearer to the edge: at the edge about half of the shape is still to be seen.
EDGE_PX = 6.0
_STEPS = {"left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1)}


@dataclasses.dataclass(frozen=True)
class Thing:
    """A shape in motion. `x_px`, `y_px` is its centre in the first frame of a chunk.

    It crosses the frame in a straight line and at an even speed, its centre always inside. One that
    goes on in the next chunk comes in again where it came in before, and moves the same way.
    """

    colour: str
    shape: str
    way: str
    radius_px: float
    speed_px: float
    x_px: float
    y_px: float

    def centre_px(self, frame: int) -> tuple[float, float]:
        """Returns (x, y) in the given frame of the clip."""
        step_x, step_y = _STEPS[self.way]
        travelled_px = self.speed_px * (frame % CHUNK_FRAMES)
        return self.x_px + step_x * travelled_px, self.y_px + step_y * travelled_px


@dataclasses.dataclass(frozen=True)
class Sound:
    """A sound at a fixed place of its chunk. A run repeats it: the same pitch and rhythm.

    `pitch_hz` is 0 for noise and silence; a rise starts there and ends an octave and a half up.
    """

    kind: str
    pitch_hz: float
    onset_s: float
    length_s: float
    gain: float


@dataclasses.dataclass(frozen=True)
class Event:
    """What is seen and heard in one chunk. Events of one run share the run's number."""

    chunk: int
    thing: Thing
    thing_run: int
    sound: Sound
    sound_run: int

    def value(self, attribute: str) -> str:
        """Returns the value of "colour", "shape", "way" or "sound"."""
        return self.sound.kind if attribute == "sound" else getattr(self.thing, attribute)

    def run(self, attribute: str) -> int:
        """Returns the number of the run that the attribute belongs to."""
        return self.sound_run if attribute == "sound" else self.thing_run


@dataclasses.dataclass(frozen=True)
class Scene:
    """A clip before it is drawn. Chunks without an event are empty and silent."""

    chunks: int
    events: tuple[Event, ...]

    def bag(self, attribute: str) -> Counter[str]:
        """Returns how often each value occurs, without when: all that the bag oracle knows."""
        return Counter(event.value(attribute) for event in self.events)

    @property
    def frames(self) -> int:
        """Frames of the clip."""
        return self.chunks * CHUNK_FRAMES


def clip_generator(spec: AVShapes, split: str, index: int, stream: int) -> np.random.Generator:
    """Returns the random numbers of one clip; `stream` is SCENE, QUESTIONS or MEDIA."""
    return np.random.default_rng([spec.seed, spec.chunks, SPLITS.index(split), index, stream])


def draw_scene(spec: AVShapes, random: np.random.Generator) -> Scene:
    """Draws the events of one clip."""
    chunks = sorted(random.choice(spec.chunks, size=spec.events, replace=False).tolist())
    things = _draw_things(spec, random)
    sounds = _draw_sounds(spec, random)
    return Scene(
        spec.chunks,
        tuple(
            Event(chunk, *thing, *sound)
            for chunk, thing, sound in zip(chunks, things, sounds, strict=False)
        ),
    )


def _draw_things(spec: AVShapes, random: np.random.Generator) -> Iterator[tuple[Thing, int]]:
    """Yields (thing, run) for each event; a new thing differs from the last in every way."""
    thing, run = _draw_thing(random, ("", "", "")), 0
    for number in range(spec.events):
        if number > 0 and random.random() >= spec.persistence:
            thing, run = _draw_thing(random, (thing.colour, thing.shape, thing.way)), run + 1
        yield thing, run


def _draw_thing(random: np.random.Generator, last: tuple[str, str, str]) -> Thing:
    colour, shape, way = (
        _draw_other(random, values, value)
        for values, value in zip((COLOURS, SHAPES, WAYS), last, strict=True)
    )
    speed_px = random.uniform(3, 4.5)
    x_px, y_px = (_draw_start(random, step * speed_px * (CHUNK_FRAMES - 1)) for step in _STEPS[way])
    return Thing(colour, shape, way, random.uniform(11, 15), speed_px, x_px, y_px)


def _draw_start(random: np.random.Generator, travel_px: float) -> float:
    """Returns where along one axis a centre starts that stays in the frame for the whole travel."""
    low_px, high_px = EDGE_PX, IMAGE_SIZE_PX - EDGE_PX
    return random.uniform(low_px - min(travel_px, 0.0), high_px - max(travel_px, 0.0))


def _draw_sounds(spec: AVShapes, random: np.random.Generator) -> Iterator[tuple[Sound, int]]:
    """Yields (sound, run) for each event; a new sound differs from the last in kind."""
    sound, run = _draw_sound(random, spec.sounds, ""), 0
    for number in range(spec.events):
        if number > 0 and random.random() >= spec.persistence:
            sound, run = _draw_sound(random, spec.sounds, sound.kind), run + 1
        yield sound, run


def _draw_sound(random: np.random.Generator, kinds: Sequence[str], last: str) -> Sound:
    kind = _draw_other(random, kinds, last)
    length_s = random.uniform(0.12, 0.26)
    return Sound(
        kind,
        pitch_hz=random.uniform(*PITCH_RANGES_HZ.get(kind, (0.0, 0.0))),
        onset_s=random.uniform(0.01, CHUNK_S - 0.01 - length_s),
        length_s=length_s,
        gain=random.uniform(0.25, 0.5),
    )


def _draw_other(random: np.random.Generator, values: Sequence[str], last: str) -> str:
    others = [value for value in values if value != last]
    return others[random.integers(len(others))]
