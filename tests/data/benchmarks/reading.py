"""A split read whole."""

from __future__ import annotations

from mirasol.data.benchmarks.catalog import BENCHMARKS
from mirasol.data.benchmarks.reading import SplitReader


def clips_of(name, split):
    reader = SplitReader(BENCHMARKS[name], split)
    return list(reader), reader.report


def questions_of(name, split):
    return [question for clip in clips_of(name, split)[0] for question in clip.questions]
