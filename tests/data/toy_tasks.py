"""seqio tasks over toy media, in the way of a plug-in: `task_modules=("toy_tasks",)`.

The media lie in `data_root() / "toy"`; clip k has k % 3 + 1 questions of type "often", one "rare".
"""

from __future__ import annotations

from mirasol.data.references import ClipReference, Question
from mirasol.data.root import data_root
from mirasol.data.source import import_seqio, reference_dataset, reference_features

MODULES = ("toy_tasks",)
CLIPS = {"train": 10, "validation": 5}

seqio = import_seqio()


def clip_id(reference: ClipReference) -> str:
    """Returns "task/split/number" of a toy clip."""
    return reference.origin.split(" ")[0]


def references(name: str, split: str) -> list[ClipReference]:
    """Returns the clips of a toy split: all on one file, told apart by their start."""
    media = str(data_root() / "toy" / ("missing.mp4" if name == "toy_broken" else "long.mp4"))
    return [_reference(name, split, number, media) for number in range(CLIPS[split])]


def _reference(name: str, split: str, number: int, media: str) -> ClipReference:
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
    return ClipReference(media, start_s, start_s + 1.28, questions, origin)


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


_add("toy_red", [exact, count])
_add("toy_blue", [exact, count])
_add("toy_broken", [])
seqio.MixtureRegistry.add("toy_both", [("toy_red", 3), ("toy_blue", 1)])
seqio.MixtureRegistry.add("toy_unlike", [("toy_red", 1), ("toy_broken", 1)])
