"""Kinetics-Sounds: the classes of Kinetics that can be seen and heard.

The set was drawn up as 34 classes of an early Kinetics. 32 of them are in Kinetics-400, five under
other names; 31 are in Kinetics-600 and -700, which lack "strumming guitar". Use the files of one
version: much of what Kinetics-400 validates on is in what Kinetics-700 trains on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from mirasol.data.benchmarks.annotation_files import csv_columns, csv_records, require_columns
from mirasol.data.benchmarks.benchmark import Benchmark
from mirasol.data.benchmarks.problems import AnnotationError, BadRowError, Problems
from mirasol.data.benchmarks.records import Record, parsed
from mirasol.data.benchmarks.rows import Place, Row

QUESTION = "what is happening"
CLASSES_32 = (
    "blowing nose",
    "blowing out candles",
    "bowling",
    "chopping wood",
    "dribbling basketball",
    "laughing",
    "mowing lawn",
    "playing accordion",
    "playing bagpipes",
    "playing bass guitar",
    "playing clarinet",
    "playing drums",
    "playing guitar",
    "playing harmonica",
    "playing keyboard",
    "playing organ",
    "playing piano",
    "playing saxophone",
    "playing trombone",
    "playing trumpet",
    "playing violin",
    "playing xylophone",
    "ripping paper",
    "shoveling snow",
    "shuffling cards",
    "singing",
    "stomping grapes",
    "strumming guitar",
    "tap dancing",
    "tapping guitar",
    "tapping pen",
    "tickling",
)
CLASSES_31 = tuple(name for name in CLASSES_32 if name != "strumming guitar")
# The official file, then what people call it. The last is a list of clips with the class's number.
_NAMES = {
    "train": ("train.csv", "kinetics-400_train.csv", "train_data_path.csv"),
    "validation": ("val.csv", "validate.csv", "kinetics-400_val.csv", "val_data_path.csv"),
    "test": ("test.csv", "kinetics-400_test.csv", "test_data_path.csv"),
}


def read(
    folder: Path, split: str, problems: Problems, *, wanted: Sequence[str] = CLASSES_32
) -> Iterator[Row]:
    """Yields the clips of the wanted classes; rows of other classes are not of this set."""
    path = next(path for name in _NAMES[split] if (path := folder / name).is_file())
    if path.name.endswith("_data_path.csv"):
        return _listed(path, problems, wanted)
    if "label" not in csv_columns(path):
        raise AnnotationError(f"{path} has no column 'label': nothing in it says what is shown")
    require_columns(path, ("label", "youtube_id", "time_start", "time_end"))
    mine = (record for record in csv_records(path, problems) if record.fields["label"] in wanted)

    def parse(record: Record) -> Row:
        start_s, end_s = record.whole_number("time_start"), record.whole_number("time_end")
        if end_s <= start_s:
            raise BadRowError(f"the clip ends at {end_s} s and begins at {start_s} s")
        stem = f"{record.text('youtube_id')}_{start_s:06d}_{end_s:06d}"
        return _row(record, stem, record.text("label"))

    return parsed(mine, parse, problems)


def _listed(path: Path, problems: Problems, wanted: Sequence[str]) -> Iterator[Row]:
    """Yields the clips of a list `train/<file>.mp4,<number of the class>`, as AV-SUPERB has it."""

    def parse(record: Record) -> Row | None:
        number = record.whole_number("class")
        if not 0 <= number < len(CLASSES_32):
            raise BadRowError(f"class {number} is none of 0..{len(CLASSES_32) - 1}")
        stem = record.text("file").rpartition("/")[2].removesuffix(".mp4")
        label = CLASSES_32[number]
        return _row(record, stem, label) if label in wanted else None

    rows = parsed(csv_records(path, problems, ("file", "class")), parse, problems)
    return (row for row in rows if row is not None)


def _row(record: Record, stem: str, label: str) -> Row:
    return Row(
        id=stem,
        question=QUESTION,
        answer=label,
        type="",
        video_id=stem,
        places=(Place(f"{stem}.mp4"), Place(f"{label}/{stem}.mp4")),
        origin=record.origin,
    )


def _benchmark(name: str, wanted: tuple[str, ...]) -> Benchmark:
    return Benchmark(
        name=name,
        folder_name="kinetics_sounds",
        files={split: ("|".join(names),) for split, names in _NAMES.items()},
        origin="the Kinetics-400 annotations of DeepMind; AV-SUPERB lists the test clips' classes",
        media="<YouTube id>_<start>_<end>.mp4 with six digits each, there or under <label>/",
        read=partial(read, wanted=wanted),
        reported="validation",
        classes=lambda folder: list(wanted),
    )


KINETICS_SOUNDS = _benchmark("kinetics_sounds", CLASSES_32)
KINETICS_SOUNDS_31 = _benchmark("kinetics_sounds_31", CLASSES_31)
