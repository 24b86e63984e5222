"""A set of one's own: a JSONL or csv file that names media, and what is asked about them.

{"media": "a/clip.mp4", "question": "who sings", "answer": "a gull"}
{"media": "b.webm", "start": 61.5, "end": 70, "caption": "a gull sings on a pier"}
{"media": "c.mkv", "label": "gull", "type": "bird", "references": ["seagull"], "id": "c1"}

media       path from the manifest's folder (or `videos` in it); nothing outside of it
start, end  optional: of the clip in the file, s or h:m:s
question    what is asked; where there is none, `caption` and `label` bring one
answer      the right answer; or caption, or label
type        optional: the kind of question, for scores per kind
references  optional: further right answers; in a csv separated by "|"
split       optional: train, validation or test; a row without is of every split
id          optional: by default the number of the row
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from mirasol.data.benchmarks.annotation_files import csv_records, jsonl_records, require_columns
from mirasol.data.benchmarks.benchmark import Benchmark
from mirasol.data.benchmarks.captions import CAPTION_QUESTION
from mirasol.data.benchmarks.problems import AnnotationError, BadRowError, Problems
from mirasol.data.benchmarks.records import Record, parsed
from mirasol.data.benchmarks.rows import Place, Row
from mirasol.data.root import local_path
from mirasol.named import FileName, TaskName

VARIABLE = "MIRASOL_MANIFEST"
LABEL_QUESTION = "what is it"
SPLITS = ("train", "validation", "test")

_ANSWERS = {"answer": "", "caption": CAPTION_QUESTION, "label": LABEL_QUESTION}


def use_manifest(path: FileName, task: TaskName = "manifest") -> TaskName:
    """Makes a manifest the set of the task `manifest`, and returns the task's name.

    For gin, where a task is wanted: `Stage.task = @manifest.use_manifest()`. Data workers learn of
    it by the environment variable MIRASOL_MANIFEST, which this sets for them; `eval` and `infer`
    read the run's configuration and so set it, too.

    Args:
      path: of the manifest, from the working directory.
      task: what to return; no other task reads a manifest.
    """
    os.environ[VARIABLE] = str(local_path(path, "MANIFEST"))
    return task


def read(folder: Path, split: str, problems: Problems) -> Iterator[Row]:
    """Yields the questions of a split of the manifest that MIRASOL_MANIFEST names."""
    path = manifest_path()
    records = _records(path, problems)
    others = set(SPLITS) - {split}
    mine = (each for each in records if each.fields.get("split") not in others)
    return parsed(mine, _row, problems)


def manifest_path() -> Path:
    """Returns the manifest's path; AnnotationError if there is none."""
    value = os.environ.get(VARIABLE)
    if not value:
        raise AnnotationError(
            f"the task 'manifest' has no manifest: give --gin.MANIFEST='\"my.jsonl\"' to "
            f"runs/manifest.gin, or set {VARIABLE}"
        )
    path = local_path(value, VARIABLE)
    if not path.is_file():
        raise AnnotationError(f"no manifest {path} ({VARIABLE}, or MANIFEST of the gin file)")
    return path


def _records(path: Path, problems: Problems) -> Iterator[Record]:
    if path.suffix.lower() == ".csv":
        require_columns(path, ("media",))
        return csv_records(path, problems)
    if path.suffix.lower() not in (".jsonl", ".json"):
        raise AnnotationError(f"{path} must end in .jsonl (an object a line) or .csv")
    return jsonl_records(path, problems)


def _row(record: Record) -> Row:
    _require_known_split(record)
    media = record.text("media")
    given = [name for name in _ANSWERS if record.has(name)]
    if len(given) != 1:
        raise BadRowError(
            f"has {' and '.join(given) or 'none'} of {', '.join(_ANSWERS)}; it needs one"
        )
    (name,) = given
    asked = record.has("question") or name == "answer"
    number = record.origin.rpartition(" ")[2]
    span = [record.seconds(key) if record.has(key) else None for key in ("start", "end")]
    return Row(
        id=record.identifier("id") if record.has("id") else number,
        question=record.text("question") if asked else _ANSWERS[name],
        answer=record.text(name),
        type=record.identifier("type") if record.has("type") else "",
        video_id=media,
        places=(Place(media, *span),),
        origin=record.origin,
        references=tuple(_references(record)),
    )


def _references(record: Record) -> list[str]:
    if not record.has("references"):
        return []
    texts = record.texts("references")
    return [part.strip() for part in texts[0].split("|")] if len(texts) == 1 else texts


def _require_known_split(record: Record) -> None:
    if record.has("split") and record.fields["split"] not in SPLITS:
        raise BadRowError(f"split {record.fields['split']!r} is none of {', '.join(SPLITS)}")


MANIFEST = Benchmark(
    name="manifest",
    files=dict.fromkeys(SPLITS, ()),
    origin="you",
    media="where the manifest's rows say, from its folder",
    read=read,
    locate=lambda: manifest_path().parent,
)
