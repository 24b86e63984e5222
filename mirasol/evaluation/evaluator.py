"""Evaluation: every question of a split answered, the task's metric, and two files.

    batches -> predict -> predictions file (a line an answer) -> the task's metric -> json

Rows and answers are kept for the metric; nothing that holds frames is.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from mirasol.data.vocabulary import Vocabulary
from mirasol.evaluation.predictions import Batches, Generate, Observer, predict, whole_file


def evaluate(
    *,
    generate: Generate,
    batches: Batches,
    vocabulary: Vocabulary,
    score: Callable[[list[dict], list[str]], Mapping[str, float]],
    task: str,
    split: str,
    step: int,
    directory: Path,
    total: int | None,
    observers: Sequence[Observer] = (),
) -> dict[str, float]:
    """Answers every question of a split and writes what came of it.

    Writes `<task>-<split>-predictions.jsonl` and then `<task>-<split>.json` (each metric's name to
    its value, with `num_examples`, the questions answered, and `step`) into `directory`; each
    file appears whole or not at all.

    Args:
      generate: batch -> token ids, as in `predict`.
      batches: pairs of a batch and its clips, as in `predict`.
      vocabulary: decodes ids.
      score: (annotation rows, answers) -> metrics; the task's own.
      task: names the files and the progress bar.
      split: likewise.
      step: of the model, for the record.
      directory: made if absent.
      total: clips of the split for the progress bar, None if not known.
      observers: see every batch with its answers.

    Returns:
      The content of the json file, except that a NaN here is null there.

    Raises:
      ValueError: no questions, or questions, slots and answers that do not line up.
    """
    directory.mkdir(parents=True, exist_ok=True)
    name = f"{task}-{split}"
    targets: list[dict] = []
    texts: list[str] = []
    with whole_file(directory / f"{name}-predictions.jsonl") as file:
        for prediction in predict(
            generate=generate,
            batches=batches,
            vocabulary=vocabulary,
            title=f"{task} {split}",
            total=total,
            observers=observers,
        ):
            file.write(json.dumps(prediction.row(), ensure_ascii=False) + "\n")
            targets.append(prediction.question.row)
            texts.append(prediction.text)
        if not targets:
            raise ValueError(f"task {task!r}, split {split!r}: no questions to evaluate")
    metrics = {key: float(value) for key, value in score(targets, texts).items()}
    metrics |= {"num_examples": len(targets), "step": step}
    with whole_file(directory / f"{name}.json") as file:
        finite = {key: value if math.isfinite(value) else None for key, value in metrics.items()}
        json.dump(finite, file, indent=2)
        file.write("\n")
    for observer in observers:
        observer.finish()
    return metrics
