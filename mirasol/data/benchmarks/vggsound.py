"""VGG-Sound: ten-second clips, 309 classes of sound."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mirasol.data.benchmarks.annotation_files import csv_records
from mirasol.data.benchmarks.benchmark import Benchmark
from mirasol.data.benchmarks.problems import BadRowError, Problems
from mirasol.data.benchmarks.records import Record, parsed
from mirasol.data.benchmarks.rows import Place, Row

QUESTION = "what is the sound"
"""Ours: the paper does not say what a model of classes is asked."""

WHOLE = "vggsound.csv"
COLUMNS = ("ytid", "start", "label", "split")


def read(folder: Path, split: str, problems: Problems) -> Iterator[Row]:
    """Yields the clips of a split: from vggsound.csv, or else from train.csv or test.csv.

    Neither file has a header; some labels have commas, and stand in quotation marks.
    """
    path = folder / WHOLE
    if path.is_file():
        yield from _whole(path, split, problems)
        return
    path = folder / f"{split}.csv"
    records = csv_records(path, problems, ("file", "label"))
    yield from parsed(records, lambda record: _row(record, _stem(record)), problems)


def classes(folder: Path) -> list[str]:
    """Returns the labels in alphabetical order, from whichever files there are."""
    names = [WHOLE] if (folder / WHOLE).is_file() else ["train.csv", "test.csv"]
    columns = COLUMNS if names == [WHOLE] else ("file", "label")
    paths = [folder / name for name in names if (folder / name).is_file()]
    rows = (row for path in paths for row in csv_records(path, Problems(), columns))
    return sorted({str(row.fields["label"]).strip() for row in rows})


def _whole(path: Path, split: str, problems: Problems) -> Iterator[Row]:
    def parse(record: Record) -> Row:
        if record.fields["split"] not in ("train", "test"):
            raise BadRowError(f"split {record.fields['split']!r} is neither train nor test")
        return _row(record, f"{record.text('ytid')}_{record.whole_number('start'):06d}")

    records = csv_records(path, problems, COLUMNS)
    other = "test" if split == "train" else "train"
    mine = (record for record in records if record.fields["split"] != other)
    return parsed(mine, parse, problems)


def _row(record: Record, stem: str) -> Row:
    return Row(
        id=stem,
        question=QUESTION,
        answer=record.text("label"),
        type="",
        video_id=stem,
        places=(Place(f"{stem}.mp4"),),
        origin=record.origin,
    )


def _stem(record: Record) -> str:
    return record.text("file").removesuffix(".mp4")


VGGSOUND = Benchmark(
    name="vggsound",
    files={split: (f"{WHOLE}|{split}.csv",) for split in ("train", "test")},
    origin="the project hche11/VGGSound",
    media="<YouTube id>_<start, six digits>.mp4",
    read=read,
    reported="test",
    classes=classes,
)
