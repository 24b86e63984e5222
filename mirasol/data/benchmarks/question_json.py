"""MSRVTT-QA and MSVD-QA: one JSON array a split, a word as the answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from mirasol.data.benchmarks.annotation_files import json_records
from mirasol.data.benchmarks.benchmark import Benchmark
from mirasol.data.benchmarks.problems import AnnotationError, Problems
from mirasol.data.benchmarks.records import Record, parsed
from mirasol.data.benchmarks.rows import Place, Row

FIRST_WORDS = ("what", "who", "how", "when", "where")
OTHER_WORD = "other"
FILES = {"train": "train_qa.json", "validation": "val_qa.json", "test": "test_qa.json"}
MAPPING = "youtube_mapping.txt"


def first_word(question: str) -> str:
    """Returns the type of a question: its first word if that is one of five, else "other"."""
    word = question.split()[0].lower()
    return word if word in FIRST_WORDS else OTHER_WORD


def read_msrvtt(folder: Path, split: str, problems: Problems) -> Iterator[Row]:
    """Yields the questions of MSRVTT-QA; `category_id` goes through to the metric."""

    def places(number: str) -> tuple[Place, ...]:
        return (Place(f"video{number}.mp4"),)

    return _read(folder / FILES[split], places, problems)


def read_msvd(folder: Path, split: str, problems: Problems) -> Iterator[Row]:
    """Yields the questions of MSVD-QA; `youtube_mapping.txt` gives the videos a second name."""
    names = _mapping(folder / MAPPING)

    def places(number: str) -> tuple[Place, ...]:
        named = [f"vid{number}", *([names[number]] if number in names else [])]
        return tuple(Place(f"{name}.avi") for name in named)

    return _read(folder / FILES[split], places, problems)


def _read(
    path: Path, places: Callable[[str], tuple[Place, ...]], problems: Problems
) -> Iterator[Row]:
    def parse(record: Record) -> Row:
        question, number = record.text("question"), record.identifier("video_id")
        category = record.fields.get("category_id")
        return Row(
            id=record.identifier("id"),
            question=question,
            answer=record.text("answer"),
            type=first_word(question),
            video_id=number,
            places=places(number),
            origin=record.origin,
            extra={} if category is None else {"category_id": category},
        )

    return parsed(json_records(path, problems), parse, problems)


def _mapping(path: Path) -> dict[str, str]:
    """Returns the stem of each video's file by its number, from lines like "<stem> vid17"."""
    if not path.is_file():
        return {}
    pairs = [line.split() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    if any(len(pair) != 2 or not pair[1].startswith("vid") for pair in pairs):
        raise AnnotationError(f"{path}: each line must be '<name of the file> vid<number>'")
    return {number.removeprefix("vid"): name for name, number in pairs}


MSRVTT_QA = Benchmark(
    name="msrvtt_qa",
    files={split: (name,) for split, name in FILES.items()},
    origin="the project xudejing/video-question-answering, the videos from MSR-VTT",
    media="video<number>.mp4",
    read=read_msrvtt,
    reported="test",
)
MSVD_QA = Benchmark(
    name="msvd_qa",
    files={split: (name,) for split, name in FILES.items()},
    origin="the project xudejing/video-question-answering, the videos from MSVD (YouTube2Text)",
    media=f"vid<number>.avi, or <YouTube id>_<start>_<end>.avi with {MAPPING}",
    read=read_msvd,
    reported="test",
)
