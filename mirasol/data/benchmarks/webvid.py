"""WebVid: stock videos, each with the words it was sold under. Its videos have no sound."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mirasol.data.benchmarks.annotation_files import csv_records, require_columns
from mirasol.data.benchmarks.benchmark import Benchmark
from mirasol.data.benchmarks.captions import CAPTION_QUESTION, captioned
from mirasol.data.benchmarks.problems import Problems
from mirasol.data.benchmarks.records import Record, parsed
from mirasol.data.benchmarks.rows import Place, Row

_FILES = {"train": "results_*_train.csv", "validation": "results_*_val.csv"}


def read(folder: Path, split: str, problems: Problems) -> Iterator[Row]:
    """Yields a row a video, from every file of the split, as results_10M_train.csv."""

    def parse(record: Record) -> Row:
        video, page = record.identifier("videoid"), str(record.fields.get("page_dir") or "")
        names = [f"{page}/{video}.mp4", f"{video}.mp4"] if page else [f"{video}.mp4"]
        places = tuple(Place(name) for name in names)
        return captioned(record, video, record.text("name"), places, CAPTION_QUESTION)

    for path in sorted(folder.glob(_FILES[split])):
        require_columns(path, ("videoid", "name"))
        yield from parsed(csv_records(path, problems), parse, problems)


WEBVID = Benchmark(
    name="webvid",
    files={split: (pattern,) for split, pattern in _FILES.items()},
    origin="the project m-bain/webvid",
    media="<page_dir>/<videoid>.mp4",
    read=read,
    grouped=False,
)
