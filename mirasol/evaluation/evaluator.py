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
from mirasol.evaluation.predictions import Answerer, Batches, Observer, predict
from mirasol.evaluation.rounds import Gathered, Rounds
from mirasol.evaluation.submissions import submission
from mirasol.whole_file import whole_file

Metrics = dict[str, float]


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
    gathered: Gathered = lambda told: [told],
    check: Callable[[], None] = lambda: None,
    decided: Callable[[Callable[[], Metrics]], Metrics] = lambda decide: decide(),
) -> dict[str, float]:
    """Answers every question of a split and writes what came of it.

    Writes `<task>-<split>-predictions.jsonl`, for a benchmark with a format of its own
    `<task>-<split>-submission.<json or csv>`, and then `<task>-<split>.json` (each metric's name to
    its value, with `num_examples`, the questions answered, `num_broken`, those left out because
    their media cannot be decoded, and `step`) into `directory`; each file appears whole or not at
    all. Of several processes the one that leads calls this, and the others `follow`.

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
      gathered, check: see `Rounds`.
      decided: computes the metrics for all processes.

    Returns:
      The content of the json file, except that a NaN here is null there.

    Raises:
      ValueError: no questions, or questions, slots and answers that do not line up.
    """
    directory.mkdir(parents=True, exist_ok=True)
    name = f"{task}-{split}"
    rounds = Rounds(
        answer=answer,
        batches=batches,
        observers=observers,
        left_out=left_out,
        gathered=gathered,
        check=check,
    )
    with (
        tempfile.TemporaryDirectory(dir=directory, prefix=f".{name}-") as folder,
        KeptAnswers(Path(folder), answer.classes) as answers,
    ):
        with whole_file(directory / f"{name}-predictions.jsonl") as file:
            for prediction in predict(rounds, title=f"{task} {split}", total=total):
                file.write(json.dumps(prediction.row(), ensure_ascii=False) + "\n")
                answers.add(prediction)
            decided(lambda: _require_answers(len(answers.rows), rounds.left_out, task, split))

        def scored() -> Metrics:
            _submit(directory / f"{name}-submission", task, answers)
            metrics = {key: float(value) for key, value in score(*answers.given()).items()}
            counts = {"num_examples": len(answers.rows), "num_broken": rounds.left_out}
            metrics |= counts | {"step": step}
            _write(directory / f"{name}.json", metrics)
            for observer in observers:
                observer.finish()
            return metrics

        return decided(scored)


def follow(rounds: Rounds, decided: Callable[[Callable[[], Metrics]], Metrics]) -> Metrics:
    """Takes part in the evaluation of another process, which writes; returns its metrics."""
    for _ in rounds:
        pass
    decided(dict)  # Whether there were questions.
    return decided(dict)


def _require_answers(count: int, broken: int, task: str, split: str) -> Metrics:
    if not count:
        why = f"; the media of {broken} cannot be decoded" if broken else ""
        raise ValueError(f"task {task!r}, split {split!r}: no questions to evaluate{why}")
    return {}


def _write(path: Path, metrics: Metrics) -> None:
    with whole_file(path) as file:
        finite = {key: value if math.isfinite(value) else None for key, value in metrics.items()}
        json.dump(finite, file, indent=2)
        file.write("\n")


def _submit(stem: Path, task: str, answers: KeptAnswers) -> None:
    """Writes the submission file of a benchmark; of any other task none."""
    found = submission(task, answers.rows, answers.texts, answers.class_scores)
    if found is not None:
        extension, content = found
        with whole_file(stem.with_name(f"{stem.name}.{extension}")) as file:
            file.write(content)
