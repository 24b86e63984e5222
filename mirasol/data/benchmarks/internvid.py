"""InternVid: segments of web videos with captions that a model wrote."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mirasol.data.benchmarks.annotation_files import jsonl_records
from mirasol.data.benchmarks.benchmark import Benchmark
from mirasol.data.benchmarks.captions import CAPTION_QUESTION, captioned
from mirasol.data.benchmarks.problems import Problems
from mirasol.data.benchmarks.records import Record, parsed
from mirasol.data.benchmarks.rows import Place, Row

_PATTERN = "*.jsonl"


def read(folder: Path, split: str, problems: Problems) -> Iterator[Row]:
    """Yields the segments of every jsonl file: cut out already, or a span of the whole video."""

    def parse(record: Record) -> Row:
        video = record.text("YoutubeID")
        start, end = record.text("Start_timestamp"), record.text("End_timestamp")
        span = (record.seconds("Start_timestamp"), record.seconds("End_timestamp"))
        stem = f"{video}_{start}_{end}"
        places = (Place(f"{stem}.mp4"), Place(f"{video}.mp4", *span))
        return captioned(record, stem, record.text("Caption"), places, CAPTION_QUESTION)

    for path in sorted(folder.glob(_PATTERN)):
        yield from parsed(jsonl_records(path, problems), parse, problems)


INTERNVID = Benchmark(
    name="internvid",
    files={"train": (_PATTERN,)},
    origin="the project OpenGVLab/InternVideo",
    media="<YouTube id>_<start>_<end>.mp4, or <YouTube id>.mp4",
    read=read,
    grouped=False,
)
