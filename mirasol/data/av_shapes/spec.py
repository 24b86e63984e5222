"""What an AV-Shapes set is: its sizes, its odds and the shipped variants."""

from __future__ import annotations

import dataclasses

from mirasol.spelling import nearest

FRAME_RATE_HZ = 25
CHUNK_FRAMES = 8
IMAGE_SIZE_PX = 64
SAMPLE_RATE_HZ = 16_000
CHUNK_SAMPLES = SAMPLE_RATE_HZ * CHUNK_FRAMES // FRAME_RATE_HZ
CHUNK_S = CHUNK_FRAMES / FRAME_RATE_HZ

COLOURS = ("red", "green", "blue", "yellow")
SHAPES = ("ring", "square", "cross")
WAYS = ("left", "right", "up", "down")
TONES = ("low", "high")

SPLITS = ("train", "validation", "test")
FAMILIES = ("sight", "hearing", "together", "order")
# Questions about one chunk alone, for a first stage of training.
MOTION, PARTS = "motion", "parts"
# What all is in a clip as one text, or in a chunk: the type of such rows, and their tasks.
CAPTION, CAPTIONS, CHUNK_CAPTIONS = "caption", "captions", "chunk_captions"


@dataclasses.dataclass(frozen=True, kw_only=True)
class AVShapes:
    """One set of clips. Equal specs give equal files, byte for byte, on one FFmpeg build.

    Attributes:
      name: the folder's name, and the stem of its tasks.
      chunks: chunks of `CHUNK_FRAMES` frames in a clip.
      events: chunks in which something is shown and may sound; the others are empty. With
        fewer events than chunks the clip has gaps, so that long clips ask for long memory
        while the questions stay as answerable as in short ones.
      train, validation, test: clips of each split.
      seed: everything drawn comes from (seed, chunks, split, index of the clip).
      persistence: probability that a shape goes on in the next event; the same for a sound.
      questions_per_family: at most so many questions of each family are kept for a clip.
    """

    name: str
    chunks: int
    events: int
    train: int
    validation: int
    test: int
    seed: int = 0
    persistence: float = 0.3
    questions_per_family: int = 8

    def __post_init__(self) -> None:
        if not 2 <= self.events <= self.chunks:
            raise ValueError(
                f"AVShapes.events is {self.events}; it must lie between 2 and chunks "
                f"({self.chunks})"
            )
        if not 0 <= self.persistence < 1:
            raise ValueError(
                f"AVShapes.persistence is {self.persistence}; it must be at least 0 and below 1"
            )
        for field in ("train", "validation", "test", "seed"):
            if getattr(self, field) < 0:
                raise ValueError(
                    f"AVShapes.{field} is {getattr(self, field)}; it must be 0 or more"
                )

    @property
    def sounds(self) -> tuple[str, ...]:
        """The sounds of an event. Where clips have gaps, silence means a gap and is no sound."""
        return ("silence" if self.events == self.chunks else "rise", "low", "high", "noise")

    @property
    def clips(self) -> dict[str, int]:
        """Clips of each split."""
        return {"train": self.train, "validation": self.validation, "test": self.test}

    def values(self, attribute: str) -> tuple[str, ...]:
        """Returns the values that "colour", "shape", "way" or "sound" can take."""
        return {"colour": COLOURS, "shape": SHAPES, "way": WAYS, "sound": self.sounds}[attribute]


VARIANTS = {
    spec.name: spec
    for spec in (
        AVShapes(name="av_shapes_tiny", chunks=4, events=4, train=48, validation=24, test=24),
        AVShapes(name="av_shapes_4", chunks=4, events=4, train=6000, validation=400, test=400),
        # Other clips of the same kind, to begin with their captions.
        AVShapes(
            name="av_shapes_pretraining",
            chunks=4,
            events=4,
            train=4000,
            validation=200,
            test=200,
            seed=1,
        ),
        AVShapes(name="av_shapes_8", chunks=8, events=6, train=4000, validation=400, test=400),
        AVShapes(name="av_shapes_16", chunks=16, events=6, train=2000, validation=200, test=200),
        AVShapes(name="av_shapes_64", chunks=64, events=6, train=500, validation=100, test=100),
    )
}


def variant(name: str) -> AVShapes:
    """Returns a shipped variant.

    Raises:
      ValueError: no variant has this name; the message gives the nearest.
    """
    if name in VARIANTS:
        return VARIANTS[name]
    raise ValueError(
        f"no AV-Shapes variant {name!r} (there are {', '.join(VARIANTS)}){nearest(name, VARIANTS)}"
    )
