"""NExT-QA, with five options and open-ended: a csv a split, one video folder for both."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from mirasol.data.benchmarks.annotation_files import (
    csv_columns,
    csv_records,
    json_file,
    require_columns,
)
from mirasol.data.benchmarks.benchmark import Benchmark
from mirasol.data.benchmarks.problems import AnnotationError, BadRowError, Problems
from mirasol.data.benchmarks.records import Record, parsed
from mirasol.data.benchmarks.rows import Place, Row

TYPES = ("CW", "CH", "TN", "TC", "DC", "DL", "DO", "DB")
"""Causal why, how; temporal next or before, current; descriptive count, location, other, binary."""

OPTIONS = ("a0", "a1", "a2", "a3", "a4")
FILES = {"train": "train.csv", "validation": "val.csv", "test": "test.csv"}
MAP = "map_vid_vidorID.json"
REFERENCES = "add_reference_answer_test.json"
STOP_WORDS = "stopwords.txt"


def options_shown(question: str, options: list[str]) -> str:
    """Returns the question with its options; how the paper shows them is not known."""
    return f"{question}? options: {'; '.join(options)}"


def question_alone(question: str, options: list[str]) -> str:
    """Returns the question without its options, for a model that only scores them."""
    return question


def read_choice(
    folder: Path, split: str, problems: Problems, *, ask: Callable[[str, list[str]], str]
) -> Iterator[Row]:
    """Yields questions with five options; the answer is the right option's text.

    A row carries `options` and `answer_index` on to the metric. The official file has the video as
    `video` and the answer as the option's number; a variant `video_id`, and the option's text.
    """
    path = folder / FILES[split]
    require_columns(path, ["question", "answer", "qid", "type", *OPTIONS])
    video_column = _video_column(path)
    places = _Places(folder)

    def parse(record: Record) -> Row:
        options = [record.text(name) for name in OPTIONS]
        index = _answer_index(record.text("answer"), options, as_text=video_column != "video")
        extra = {"options": options, "answer_index": index}
        question = ask(record.text("question"), options)
        return _row(record, video_column, places, question, options[index], extra)

    return parsed(csv_records(path, problems), parse, problems)


def read_open(folder: Path, split: str, problems: Problems) -> Iterator[Row]:
    """Yields open questions; those of the test split have a second right answer.

    The file for training asks different questions under three ids; the second of each gets "#2".
    """
    path = folder / FILES[split]
    require_columns(path, ["video", "question", "answer", "qid", "type"])
    places = _Places(folder)
    references = _references(folder / REFERENCES) if split == "test" else {}
    asked: dict[str, set[str]] = {}

    def parse(record: Record) -> Row:
        video, qid = record.text("video"), record.text("qid")
        question = record.text("question")
        questions = asked.setdefault(f"{video}_{qid}", set())
        again = split == "train" and bool(questions) and question not in questions
        questions.add(question)
        second = references.get(video, {}).get(qid)
        row = _row(record, "video", places, question, record.text("answer"), {})
        return replace(
            row,
            id=row.id + (f"#{len(questions)}" if again else ""),
            references=() if second is None else (second,),
        )

    return parsed(csv_records(path, problems), parse, problems)


def _row(
    record: Record,
    video_column: str,
    places: Callable[[str], tuple[Place, ...]],
    question: str,
    answer: str,
    extra: dict[str, Any],
) -> Row:
    video, qid, kind = record.text(video_column), record.text("qid"), record.text("type")
    merged = "TN" if kind == "TP" else kind
    if merged not in TYPES:
        raise BadRowError(f"type {kind!r} is none of {', '.join((*TYPES, 'TP'))}")
    return Row(
        id=f"{video}_{qid}",
        question=question,
        answer=answer,
        type=merged,
        video_id=video,
        places=places(video),
        origin=record.origin,
        extra={**extra, "qid": qid},
    )


class _Places:
    """Where a video lies: under the name that the map gives it, or under its own."""

    def __init__(self, folder: Path) -> None:
        path = folder / MAP
        self._map = json_file(path) if path.is_file() else {}
        if not isinstance(self._map, dict):
            raise AnnotationError(f"{path} must hold a JSON object: video -> folder/video")

    def __call__(self, video: str) -> tuple[Place, ...]:
        names = [str(self._map[video])] if video in self._map else []
        return tuple(Place(f"{name}.mp4") for name in (*names, video))


def _video_column(path: Path) -> str:
    return "video_id" if "video_id" in csv_columns(path) else "video"


def _answer_index(answer: str, options: list[str], *, as_text: bool) -> int:
    """Returns the option's number; "2" may be a number or, in the variant, an option's text."""
    is_number = answer in map(str, range(len(options)))
    if answer in options and (as_text or not is_number):
        return options.index(answer)
    if not is_number:
        raise BadRowError(f"answer {answer!r} is neither 0..{len(options) - 1} nor an option")
    return int(answer)


def _references(path: Path) -> dict[str, dict[str, str]]:
    if not path.is_file():
        raise AnnotationError(
            f"no file {path.name} in {path.parent}: the test split is scored with its second "
            "answers; it comes from the project doc-doc/NExT-OE"
        )
    found = json_file(path)
    if not isinstance(found, dict) or not all(isinstance(each, dict) for each in found.values()):
        raise AnnotationError(f"{path} must hold a JSON object: video -> qid -> answer")
    return found


_MEDIA = f"<folder>/<video>.mp4 as {MAP} says, or <video>.mp4"


def _choice(name: str, ask: Callable[[str, list[str]], str]) -> Benchmark:
    return Benchmark(
        name=name,
        folder_name="nextqa_mc",
        files={split: (file,) for split, file in FILES.items()},
        origin="the project doc-doc/NExT-QA, the videos from VidOR",
        media=_MEDIA,
        read=partial(read_choice, ask=ask),
        reported="test",
    )


NEXTQA_MC = _choice("nextqa_mc", options_shown)
NEXTQA_MC_QUESTION = _choice("nextqa_mc_question", question_alone)
NEXTQA_OE = Benchmark(
    name="nextqa_oe",
    files={
        "train": (FILES["train"],),
        "validation": (FILES["validation"], STOP_WORDS),
        "test": (FILES["test"], REFERENCES, STOP_WORDS),
    },
    origin="the project doc-doc/NExT-OE, the videos from VidOR",
    media=_MEDIA,
    read=read_open,
    reported="test",
)
