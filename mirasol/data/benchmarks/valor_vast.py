"""VALOR and VAST: clips described for the eye and for the ear."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mirasol.data.benchmarks.annotation_files import json_records
from mirasol.data.benchmarks.benchmark import Benchmark
from mirasol.data.benchmarks.captions import (
    CAPTION_QUESTION,
    SIGHT_QUESTION,
    SOUND_QUESTION,
    SPEECH_QUESTION,
    captioned,
)
from mirasol.data.benchmarks.problems import BadRowError, Problems
from mirasol.data.benchmarks.records import Record, parsed
from mirasol.data.benchmarks.rows import Place, Row

# Field of a VAST row -> (question, kind).
_VAST = {
    "vast_cap": (CAPTION_QUESTION, "caption"),
    "vision_cap": (SIGHT_QUESTION, "sight"),
    "audio_cap": (SOUND_QUESTION, "sound"),
    "subtitle": (SPEECH_QUESTION, "speech"),
}
_PATTERN = "*.json"


def read_valor(folder: Path, split: str, problems: Problems) -> Iterator[Row]:
    """Yields each description of each video."""

    def parse(record: Record) -> list[Row]:
        return _rows(record, record.text("video_id"), {"desc": (CAPTION_QUESTION, "caption")})

    return _read(folder, parse, problems)


def read_vast(folder: Path, split: str, problems: Problems) -> Iterator[Row]:
    """Yields each text about each clip, with a question for its kind.

    The media are the clips, cut out already; where a clip lies in its video is not looked at.
    """

    def parse(record: Record) -> list[Row]:
        return _rows(record, record.text("clip_id"), _VAST)

    return _read(folder, parse, problems)


def _read(folder: Path, parse, problems: Problems) -> Iterator[Row]:
    for path in sorted(folder.glob(_PATTERN)):
        for rows in parsed(json_records(path, problems), parse, problems):
            problems.rows += len(rows) - 1  # A clip counts as its texts.
            yield from rows


def _rows(record: Record, clip: str, fields: dict[str, tuple[str, str]]) -> list[Row]:
    places = (Place(f"{clip}.mp4"),)
    rows = [
        captioned(record, clip, text, places, question, kind if not number else f"{kind}{number}")
        for field, (question, kind) in fields.items()
        if record.has(field)
        for number, text in enumerate(record.texts(field))
    ]
    if not rows:
        raise BadRowError(f"has none of {', '.join(fields)}")
    return rows


def _benchmark(name: str, read, origin: str, media: str) -> Benchmark:
    return Benchmark(name=name, files={"train": (_PATTERN,)}, origin=origin, media=media, read=read)


VALOR = _benchmark("valor", read_valor, "the project TXH-mercury/VALOR", "<video_id>.mp4")
VAST = _benchmark("vast", read_vast, "the project TXH-mercury/VAST", "<clip_id>.mp4")
