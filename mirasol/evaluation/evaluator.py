"""Evaluation: every question of a split answered, the task's metric, and two or three files.

    batches -> answers -> predictions file (a line an answer) -> the task's metric -> json
                                                              -> the benchmark's submission file

Rows and answers wait on disk for the metric: in memory stay some bytes a question, the names of the
clips and, where classes are scored, four bytes for each class. A submission file is made in memory.
"""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from mirasol.evaluation.kept_answers import KeptAnswers
from mirasol.evaluation.predictions import Answerer, Batches, Observer, predict, whole_file
from mirasol.evaluation.submissions import submission


def evaluate(
    *,
    answer: Answerer,
    batches: Batches,
    score: Callable[..., Mapping[str, float]],
    task: str,
    split: str,
    step: int,
    directory: Path,
    total: int | None,
    observers: Sequence[Observer] = (),
    left_out: Callable[[], int] = lambda: 0,
) -> dict[str, float]:
    """Answers every question of a split and writes what came of it.

    Writes `<task>-<split>-predictions.jsonl`, for a benchmark with a format of its own
    `<task>-<split>-submission.<json or csv>`, and then `<task>-<split>.json` (each metric's name to
    its value, with `num_examples`, the questions answered, `num_broken`, those left out because
    their media cannot be decoded, and `step`) into `directory`; each file appears whole or not at
    all.

    Args:
      answer: answers a batch, as in `predict`; where it scores classes, their scores are kept.
      batches: pairs of a batch and its clips, as in `predict`.
      score: (annotation rows, answers) -> metrics; the task's own. Where classes are scored, their
        `ClassScores` come third.
      task: names the files and the progress bar.
      split: likewise.
      step: of the model, for the record.
      directory: made if absent.
      total: clips of the split for the progress bar, None if not known.
      observers: see every batch with its answers.
      left_out: after the last batch: how many questions were not asked because of broken media.

    Returns:
      The content of the json file, except that a NaN here is null there.

    Raises:
      ValueError: no questions, or questions, slots and answers that do not line up.
    """
    directory.mkdir(parents=True, exist_ok=True)
    name = f"{task}-{split}"
    with (
        tempfile.TemporaryDirectory(dir=directory, prefix=f".{name}-") as folder,
        KeptAnswers(Path(folder), answer.classes) as answers,
    ):
        with whole_file(directory / f"{name}-predictions.jsonl") as file:
            for prediction in predict(
                answer=answer,
                batches=batches,
                title=f"{task} {split}",
                total=total,
                observers=observers,
            ):
                file.write(json.dumps(prediction.row(), ensure_ascii=False) + "\n")
                answers.add(prediction)
            if not answers.rows:
                broken = f"; the media of {left_out()} cannot be decoded" if left_out() else ""
                raise ValueError(
                    f"task {task!r}, split {split!r}: no questions to evaluate{broken}"
                )
        _submit(directory / f"{name}-submission", task, answers)
        metrics = {key: float(value) for key, value in score(*answers.given()).items()}
        metrics |= {"num_examples": len(answers.rows), "num_broken": left_out(), "step": step}
    with whole_file(directory / f"{name}.json") as file:
        finite = {key: value if math.isfinite(value) else None for key, value in metrics.items()}
        json.dump(finite, file, indent=2)
        file.write("\n")
    for observer in observers:
        observer.finish()
    return metrics


def _submit(stem: Path, task: str, answers: KeptAnswers) -> None:
    """Writes the submission file of a benchmark; of any other task none."""
    found = submission(task, answers.rows, answers.texts, answers.class_scores)
    if found is not None:
        extension, content = found
        with whole_file(stem.with_name(f"{stem.name}.{extension}")) as file:
            file.write(content)
