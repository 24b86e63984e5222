"""Pre-training on captions: single chunks, whole clips, and answers of 36 tokens."""

from __future__ import annotations

import json

import pytest

from tests.runs.conftest import finish

RUN = "runs/av_shapes_pretraining.gin"
SMALL = [
    "parts/Stage.task='av_shapes_tiny_chunk_captions'",
    "parts/Stage.batches=1",
    "joint/Stage.task='av_shapes_tiny_captions'",
    "EvaluationPlan.tasks=['av_shapes_tiny_captions']",
    *("TRAIN_STEPS=2", "WARMUP_STEPS=1", "CHECKPOINT_EVERY=2", "EVAL_EVERY=2", "LOG_EVERY=1"),
    *("BATCH_SIZE=2", "EVAL_CLIPS=3"),
]


def test_both_stages_are_trained_on_and_captions_are_answered(data, tmp_path):
    finished = finish(data, tmp_path, f"--gin_file={RUN}", *(f"--gin.{each}" for each in SMALL))
    text = (finished.workdir / "metrics.jsonl").read_text()
    first, second, score = map(json.loads, text.splitlines())
    assert (first["latent_loss"], second["step"]) == (0, 2)  # A chunk alone has none after it.
    assert second["latent_loss"] > 0
    assert (score["num"], score["num/caption"], score["num_broken"]) == (3, 3, 0)
    answers = finished.workdir / "eval/av_shapes_tiny_captions-validation-predictions.jsonl"
    rows = [json.loads(line) for line in answers.read_text().splitlines()]
    assert {len(row["answer"].split()) >= 27 for row in rows} == {True}
    of_all = sum(first[name] for name in ("text_loss", "latent_loss", "reconstruction_loss"))
    assert first["loss"] == pytest.approx(of_all, rel=1e-5)  # All count alike.
