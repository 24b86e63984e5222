"""ActivityNet-QA: questions in one file, answers in another, joined by `question_id`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mirasol.data.benchmarks.annotation_files import json_records
from mirasol.data.benchmarks.benchmark import Benchmark
from mirasol.data.benchmarks.problems import BadRowError, Problems
from mirasol.data.benchmarks.records import Record, parsed
from mirasol.data.benchmarks.rows import Place, Row

TYPES = (
    "Motion",
    "Spatial",
    "Temporal",
    "Yes/No",
    "Color",
    "Object",
    "Location",
    "Number",
    "Other",
)
FREE = TYPES[3:]
"""What is not about motion, space or time."""

_PREFIX = {"train": "train", "validation": "val", "test": "test"}


def read(folder: Path, split: str, problems: Problems) -> Iterator[Row]:
    """Yields the questions that have an answer; an answer without a question is a bad row."""
    answers_path = folder / f"{_PREFIX[split]}_a.json"
    answers = _answers(answers_path, problems)

    def parse(record: Record) -> Row:
        question_id = record.text("question_id")
        answer = answers.pop(question_id, None)
        if answer is None:
            raise BadRowError(f"no row of {answers_path.name} answers {question_id!r}")
        video = record.text("video_name")
        return Row(
            id=question_id,
            question=record.text("question"),
            answer=answer.text("answer"),
            type=_type(answer),
            video_id=video,
            places=(Place(f"v_{video}.mp4"), Place(f"{video}.mp4")),
            origin=record.origin,
        )

    path = folder / f"{_PREFIX[split]}_q.json"
    yield from parsed(json_records(path, problems), parse, problems)
    for question_id, answer in answers.items():
        problems.rows += 1
        problems.add(answer.origin, f"no row of {path.name} asks {question_id!r}")


def _answers(path: Path, problems: Problems) -> dict[str, Record]:
    found: dict[str, Record] = {}
    for record in json_records(path, problems):
        try:
            question_id = record.text("question_id")
            first = found.setdefault(question_id, record)
            if first is not record:
                raise BadRowError(f"{question_id!r} is answered already in {first.origin}")
        except BadRowError as error:
            problems.rows += 1
            problems.add(record.origin, str(error))
    return found


def _type(answer: Record) -> str:
    number = answer.whole_number("type")
    if not 0 <= number < len(TYPES):
        raise BadRowError(f"type {number} is none of 0..{len(TYPES) - 1}")
    return TYPES[number]


ACTIVITYNET_QA = Benchmark(
    name="activitynet_qa",
    files={split: (f"{name}_q.json", f"{name}_a.json") for split, name in _PREFIX.items()},
    origin="the project MILVLG/activitynet-qa, the videos from ActivityNet",
    media="v_<video name>.mp4 (.mkv, .webm)",
    read=read,
    reported="test",
)
