"""EPIC-Sounds: segments of long kitchen videos, 44 classes of sound."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mirasol.data.benchmarks.annotation_files import csv_records, require_columns
from mirasol.data.benchmarks.benchmark import Benchmark
from mirasol.data.benchmarks.problems import AnnotationError, Problems
from mirasol.data.benchmarks.records import Record, parsed
from mirasol.data.benchmarks.rows import Place, Row

QUESTION = "what is the sound"
FILES = {
    "train": "EPIC_Sounds_train.csv",
    "validation": "EPIC_Sounds_validation.csv",
    "test": "EPIC_Sounds_recognition_test_timestamps.csv",
}
_TIMES = ("annotation_id", "participant_id", "video_id", "start_timestamp", "stop_timestamp")


def read(folder: Path, split: str, problems: Problems) -> Iterator[Row]:
    """Yields the segments; those of the test split have no class, and their rows say `hidden`."""
    path = folder / FILES[split]
    hidden = split == "test"
    require_columns(path, _TIMES if hidden else (*_TIMES, "class", "class_id"))

    def parse(record: Record) -> Row:
        video, person = record.text("video_id"), record.text("participant_id")
        span = (record.seconds("start_timestamp"), record.seconds("stop_timestamp"))
        known = {} if hidden else {"class_id": record.whole_number("class_id")}
        return Row(
            id=record.text("annotation_id"),
            question=QUESTION,
            answer="" if hidden else record.text("class"),
            type="",
            video_id=video,
            places=(Place(f"{person}/videos/{video}.MP4", *span), Place(f"{video}.MP4", *span)),
            origin=record.origin,
            extra={"hidden": True} if hidden else known,
        )

    return parsed(csv_records(path, problems), parse, problems)


def classes(folder: Path) -> list[str]:
    """Returns the classes in the order of their `class_id`, from the two files that have them."""
    names: dict[int, str] = {}
    for split in ("train", "validation"):
        path = folder / FILES[split]
        if path.is_file():
            for record in csv_records(path, Problems()):
                names.setdefault(record.whole_number("class_id"), record.text("class"))
    if not names or set(names) != set(range(len(names))):
        raise AnnotationError(
            f"{folder}: {' and '.join([FILES['train'], FILES['validation']])} name the classes "
            f"{sorted(names)}; their numbers must go from 0 without a gap: are both files there?"
        )
    return [names[number] for number in sorted(names)]


EPIC_SOUNDS = Benchmark(
    name="epic_sounds",
    files={split: (name,) for split, name in FILES.items()},
    origin="the project epic-kitchens/epic-sounds-annotations, the videos from EPIC-KITCHENS-100",
    media="<P01>/videos/<P01_11>.MP4",
    read=read,
    reported="validation",
    classes=classes,
)
