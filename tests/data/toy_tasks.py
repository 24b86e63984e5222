"""seqio tasks over toy media, in the way of a plug-in: `task_modules=("toy_tasks",)`.

The media lie in `data_root() / "toy"`; clip k has k % 3 + 1 questions of type "often", one "rare".
All files of toy_broken are missing, of toy_holed that of clip 3. The toy_many tasks have no media.
"""

from __future__ import annotations

import json
import math

from mirasol.data.references import ClipReference, Question
from mirasol.data.root import data_root
from mirasol.data.source import import_seqio, reference_dataset, reference_features

MODULES = ("toy_tasks",)
CLIPS = {"train": 10, "validation": 5}
SIZES = {"toy_holed": {"train": 8, "validation": 5}}
MANY = 120_000

seqio = import_seqio()
import tensorflow as tf  # noqa: E402  (import_seqio keeps it quiet)


def clip_id(reference: ClipReference) -> str:
    """Returns "task/split/number" of a toy clip."""
    return reference.origin.split(" ")[0]


def references(name: str, split: str) -> list[ClipReference]:
    """Returns the clips of a toy split: all on one file, told apart by their start."""
    return [_reference(name, split, number) for number in range(SIZES.get(name, CLIPS)[split])]


def _media(name: str, number: int) -> str:
    missing = name == "toy_broken" or (name == "toy_holed" and number == 3)
    return str(data_root() / "toy" / ("missing.mp4" if missing else "long.mp4"))


def _reference(name: str, split: str, number: int) -> ClipReference:
    origin = f"{name}/{split}/{number} row"
    types = ["often"] * (number % 3 + 1) + ["rare"]
    rows = [
        {
            "id": f"{name}/{split}/{number}/{index}",
            "question": f"clip {number} {index}?",
            "answer": f"{number}",
            "type": kind,
            "origin": origin,
            "video_id": number,
        }
        for index, kind in enumerate(types)
    ]
    start_s = 0.04 * number
    questions = tuple(Question.from_row(row) for row in rows)
    return ClipReference(_media(name, number), start_s, start_s + 1.28, questions, origin)


def exact(targets, predictions):
    """Share of predictions equal to the row's answer."""
    right = [row["answer"] == text for row, text in zip(targets, predictions, strict=True)]
    return {"exact": sum(right) / len(right)}


def count(targets, predictions):
    """Number of predictions."""
    return {"count": len(predictions) + 0 * len(targets)}


def _add(name: str, metrics: list) -> None:
    def dataset(split, shuffle_files=False):
        return reference_dataset(references(name, split))

    seqio.TaskRegistry.add(
        name,
        source=seqio.FunctionDataSource(dataset, splits=list(CLIPS), num_input_examples=CLIPS),
        output_features=reference_features(),
        metric_fns=metrics,
    )


def _add_many(name: str) -> None:
    def dataset(split, shuffle_files=False):
        row = {"id": "0", "answer": "", "type": "", "origin": name}
        numbers = tf.data.Dataset.range(MANY)
        before, after = json.dumps({**row, "question": "clip # 0?"}).split("#")
        return numbers.map(
            lambda number: {
                "media": "nowhere.mp4",
                "start": math.nan,
                "end": math.nan,
                "rows": tf.strings.join([before, tf.strings.as_string(number), after])[None],
            }
        )

    seqio.TaskRegistry.add(
        name,
        source=seqio.FunctionDataSource(dataset, splits=["train"]),
        output_features=reference_features(),
        metric_fns=[],
    )


_add_many("toy_many")
_add_many("toy_many_more")
seqio.MixtureRegistry.add("toy_many_both", [("toy_many", 2), ("toy_many_more", 1)])
_add("toy_holed", [exact, count])
_add("toy_red", [exact, count])
_add("toy_blue", [exact, count])
_add("toy_broken", [])
seqio.MixtureRegistry.add("toy_both", [("toy_red", 3), ("toy_blue", 1)])
seqio.MixtureRegistry.add("toy_unlike", [("toy_red", 1), ("toy_broken", 1)])
