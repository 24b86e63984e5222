"""HowTo100M: instructional videos with what is said in them, merged to clips of at least 10 s."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from mirasol.data.benchmarks.annotation_files import csv_records, json_file, require_columns
from mirasol.data.benchmarks.benchmark import Benchmark
from mirasol.data.benchmarks.captions import SPEECH_QUESTION, captioned
from mirasol.data.benchmarks.problems import AnnotationError, BadRowError, Problems
from mirasol.data.benchmarks.records import Record, parsed
from mirasol.data.benchmarks.rows import Place, Row

CAPTIONS = "caption.json"
FOLDER = "captions"
SHORTEST_S = 10.0

Segment = tuple[float, float, str]


def read(folder: Path, split: str, problems: Problems) -> Iterator[Row]:
    """Yields the clips of each video: from caption.json, or from a csv a video under captions/.

    The one file has 1.2 million videos and is held in memory whole by every data worker; a csv a
    video is read as it is needed.
    """
    whole = folder / CAPTIONS
    videos = _json_videos(whole) if whole.is_file() else _csv_videos(folder / FOLDER)

    def parse(record: Record) -> list[Row]:
        return _clips(record)

    for rows in parsed(videos, parse, problems):
        problems.rows += len(rows) - 1  # A video counts as its clips.
        yield from rows


def merge(segments: Sequence[Segment], shortest_s: float = SHORTEST_S) -> list[Segment]:
    """Joins neighbours until each clip is long enough; what is left over goes to the last one.

    Args:
      segments: (start s, end s, text) in any order.
      shortest_s: least length of a clip; a video with less speech is one clip.
    """
    merged: list[list[Any]] = []
    for start_s, end_s, text in sorted(segments):
        if merged and merged[-1][1] - merged[-1][0] < shortest_s:
            merged[-1][1] = max(merged[-1][1], end_s)
            merged[-1][2] += f" {text}"
        else:
            merged.append([start_s, end_s, text])
    if len(merged) > 1 and merged[-1][1] - merged[-1][0] < shortest_s:
        _, end_s, text = merged.pop()
        merged[-1][1] = max(merged[-1][1], end_s)
        merged[-1][2] += f" {text}"
    return [(start_s, end_s, text) for start_s, end_s, text in merged]


def _clips(record: Record) -> list[Row]:
    video = record.text("video_id")
    columns = [record.fields.get(name) for name in ("start", "end", "text")]
    if not all(isinstance(column, list) for column in columns):
        raise BadRowError("'start', 'end' and 'text' must be lists")
    if len({len(column) for column in columns if column is not None}) != 1 or not columns[0]:
        raise BadRowError("'start', 'end' and 'text' must have one length above 0")
    segments = [_segment(record, *values) for values in zip(*columns, strict=True)]
    return [
        captioned(
            record,
            f"{video}_{start_s:g}",
            text,
            (Place(f"{video}.mp4", start_s, end_s),),
            SPEECH_QUESTION,
            "speech",
        )
        for start_s, end_s, text in merge(segments)
    ]


def _segment(record: Record, start: Any, end: Any, text: Any) -> Segment:
    one = Record({"start": start, "end": end, "text": text}, record.origin)
    return one.seconds("start"), one.seconds("end"), one.text("text")


def _json_videos(path: Path) -> Iterator[Record]:
    content = json_file(path)
    if not isinstance(content, dict):
        raise AnnotationError(f"{path} must hold a JSON object: video -> start, end, text")
    for number, (video, columns) in enumerate(content.items(), 1):
        fields = columns if isinstance(columns, dict) else {}
        yield Record({**fields, "video_id": video}, f"{path.name} row {number}")


def _csv_videos(folder: Path) -> Iterator[Record]:
    """Yields a video a file `<video>.csv` with the columns start, end, text."""
    for path in sorted(folder.glob("*.csv")):
        require_columns(path, ("start", "end", "text"))
        rows = list(csv_records(path, Problems()))
        columns = {name: [row.fields[name] for row in rows] for name in ("start", "end", "text")}
        yield Record({**columns, "video_id": path.stem}, path.name)


HOWTO100M = Benchmark(
    name="howto100m",
    files={"train": (f"{CAPTIONS}|{FOLDER}/*.csv",)},
    origin="the HowTo100M project of Inria and DeepMind",
    media="<video id>.mp4 (.webm)",
    read=read,
    grouped=False,
)
