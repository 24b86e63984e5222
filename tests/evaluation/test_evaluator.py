from __future__ import annotations

import dataclasses
import gc
import json
import weakref

import pytest
import torch

from mirasol.batch import EOS_ID, ExampleShape, empty_batch
from mirasol.data.references import ClipReference, Question
from mirasol.data.vocabulary import ByteVocabulary
from mirasol.evaluation.evaluator import evaluate
from mirasol.evaluation.metric_names import EVALUATION
from mirasol.evaluation.metrics import exact_match_by_type
from mirasol.evaluation.predictions import Observer, Writer, clips_to_come

SHAPE = ExampleShape(
    chunks=2,
    chunk_frames=2,
    image_size=4,
    chunk_bands=4,
    mel_bins=4,
    questions=3,
    prompt_length=4,
    answer_length=8,
)
VOCABULARY = ByteVocabulary()
# (clip, answers right, answers given): two batches of two, the last row of the second is padding.
CLIPS = [
    ("video1.mp4", ["red", "two", "left"], ["red", "six", "Left."]),
    ("video2.mp4", ["blue"], ["blue"]),
    ("video3.mp4", ["low", "ring"], ["", "square"]),
]
TYPES = ["sight", "hearing", "together"]


def clip_reference(media, answers):
    rows = [
        {"id": f"{media}-{q}", "video_id": media, "answer": answer, "type": TYPES[q], "extra": q}
        for q, answer in enumerate(answers)
    ]
    questions = [
        Question(row["id"], f"question {q}?", row["answer"], row["type"], row)
        for q, row in enumerate(rows)
    ]
    return ClipReference(media, None, None, tuple(questions), origin=f"{media} row 1")


def batch_of(clips):
    """One batch; `prompt_BQP` numbers the slots so that the fake model knows where it is."""
    batch = empty_batch(SHAPE, 2)
    valid_BQ = torch.zeros(2, 3, dtype=torch.bool)
    given_BQR = torch.zeros(2, 3, SHAPE.answer_length, dtype=torch.int64)
    for b, (_, _, given) in enumerate(clips):
        valid_BQ[b, : len(given)] = True
        for q, text in enumerate(given):
            ids = [*VOCABULARY.encode(text), EOS_ID]
            given_BQR[b, q, : len(ids)] = torch.tensor(ids)
    # What padding slots hold must not matter.
    given_BQR[~valid_BQ] = VOCABULARY.encode("x")[0]
    return dataclasses.replace(batch, question_BQ=valid_BQ, answer_BQR=given_BQR)


def two_batches():
    for clips in (CLIPS[:2], CLIPS[2:]):
        yield batch_of(clips), [clip_reference(media, answers) for media, answers, _ in clips]


def run(directory, batches=None, score=exact_match_by_type, observers=()):
    return evaluate(
        answer=Writer(lambda batch: batch.answer_BQR, VOCABULARY),
        batches=two_batches() if batches is None else batches,
        score=score,
        task="toy",
        split="validation",
        step=70,
        directory=directory,
        total=3,
        observers=observers,
    )


def test_the_files_hold_every_question_once_in_order(tmp_path):
    metrics = run(tmp_path / "eval")
    text = (tmp_path / "eval" / "toy-validation-predictions.jsonl").read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    assert [line["id"] for line in lines] == [
        *(f"video1.mp4-{q}" for q in range(3)),
        "video2.mp4-0",
        "video3.mp4-0",
        "video3.mp4-1",
    ]
    assert lines[2] == {
        "id": "video1.mp4-2",
        "media": "video1.mp4",
        "start_s": None,
        "end_s": None,
        "type": "together",
        "question": "question 2?",
        "answer": "left",
        "prediction": "Left.",
    }
    assert [line["prediction"] for line in lines[3:]] == ["blue", "", "square"]
    assert json.loads((tmp_path / "eval" / "toy-validation.json").read_text()) == metrics
    assert metrics["num_examples"] == 6
    assert metrics["step"] == 70
    assert metrics["accuracy"] == pytest.approx(3 / 6)
    assert metrics["accuracy/sight"] == pytest.approx(2 / 3)
    assert metrics["accuracy/hearing"] == 0.0
    assert sorted(path.name for path in (tmp_path / "eval").iterdir()) == [
        "toy-validation-predictions.jsonl",
        "toy-validation.json",
    ]


def test_the_metric_sees_whole_annotation_rows(tmp_path):
    seen = []

    def score(targets, predictions):
        seen.extend(zip(targets, predictions, strict=True))
        return {"answered": len(predictions)}

    counts = {"num_examples": 6, "num_broken": 0, "step": 70}
    assert {*counts} == {*EVALUATION, "step"}
    assert run(tmp_path, score=score) == {"answered": 6.0, **counts}
    assert [(row["extra"], text) for row, text in seen][:3] == [
        (0, "red"),
        (1, "six"),
        (2, "Left."),
    ]


def test_a_score_that_is_no_number_is_null(tmp_path):
    run(tmp_path, score=lambda targets, predictions: {"auc": float("nan")})
    assert json.loads((tmp_path / "toy-validation.json").read_text())["auc"] is None


def test_batches_are_dropped_as_they_pass(tmp_path):
    alive = []

    def batches():
        for batch, clips in two_batches():
            alive.append(weakref.ref(batch.video_BTFHWC))
            yield batch, clips
            del batch
            gc.collect()

    run(tmp_path, batches=batches())
    gc.collect()
    assert [reference() for reference in alive] == [None, None]


def test_observers_see_each_batch_and_then_the_end(tmp_path):
    class Recorder(Observer):
        calls: list[object]

        def __init__(self):
            self.calls = []

        def see(self, batch, answered):
            self.calls.append([[each.text for each in predictions] for predictions in answered])

        def finish(self):
            self.calls.append((tmp_path / "toy-validation.json").exists())

    recorder = Recorder()
    run(tmp_path, observers=[recorder])
    assert recorder.calls == [[["red", "six", "Left."], ["blue"]], [["", "square"]], True]


def test_the_bar_names_the_task_and_leaves_stdout_alone(tmp_path, capsys):
    run(tmp_path)
    captured = capsys.readouterr()
    assert "toy validation" in captured.err
    assert captured.out == ""


def test_nothing_to_ask_is_refused_and_writes_nothing(tmp_path):
    with pytest.raises(ValueError, match=r"'toy', split 'validation': no questions"):
        run(tmp_path, batches=iter(()))
    assert list(tmp_path.iterdir()) == []


def test_slots_that_do_not_match_the_questions_are_refused_with_the_numbers(tmp_path):
    batch, clips = next(two_batches())
    with pytest.raises(ValueError, match=r"\[3, 1\] valid slots, 2 clips with \[1, 3\] questions"):
        run(tmp_path, batches=[(batch, clips[::-1])])


def test_ids_of_another_shape_are_refused(tmp_path):
    batch, clips = next(two_batches())
    batch = dataclasses.replace(batch, answer_BQR=batch.answer_BQR[:, :2])
    with pytest.raises(ValueError, match=r"ids \[B, Q, R\] of shape \[2, 2, 8\]"):
        run(tmp_path, batches=[(batch, clips)])


def test_an_old_result_outlives_a_run_that_fails(tmp_path):
    run(tmp_path)
    before = {path.name: path.read_text() for path in tmp_path.iterdir()}

    def broken():
        yield next(two_batches())
        raise RuntimeError("the disk went away")

    with pytest.raises(RuntimeError, match="went away"):
        run(tmp_path, batches=broken())
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize(
    ("known", "most", "total"),
    [(9, None, 9), (9, 4, 4), (3, 4, 3), (None, 4, None), (None, None, None)],
)
def test_a_bar_has_a_total_only_where_it_is_known(known, most, total):
    assert clips_to_come(known, most) == total
