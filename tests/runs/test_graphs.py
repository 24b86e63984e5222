"""XLA compiles what a run needs once, however long the run is, and however long its clips are."""

import importlib.util
import json

import pytest

from tests.data.toy_media import write_media
from tests.runs import command
from tests.runs.conftest import finish

STEPS = 300
SECOND_STAGE = 40  # From here on batches have another shape.
LENGTHS = (8, 20, 32, 75, 250, 500)  # Frames of the clips: a third of a second to twenty.
SETTINGS = {
    "IMAGE_SIZE": 32,
    "ANSWER_LENGTH": 4,
    "PROMPT_LENGTH": 16,
    "TRAIN_STEPS": STEPS,
    "WARMUP_STEPS": 10,
    "BATCH_SIZE": 2,
    "LOG_EVERY": 1,
    "CHECKPOINT_EVERY": 60,
    "EVAL_EVERY": 100,
    "EVAL_CLIPS": 4,
}
STAGES = f"""
from __gin__ import dynamic_registration
from mirasol import experiment
from mirasol.data import loader
from mirasol.data.benchmarks import manifest
first/loader.Stage:
    task = @manifest.use_manifest()
    batch_size = 1
    batches = {SECOND_STAGE}
experiment.TrainingData.stages = [@first/loader.Stage(), @second/loader.Stage()]
second/loader.Stage.task = @manifest.use_manifest()
"""


def manifest(folder):
    """Clips of all lengths, every third without sound."""
    rows = []
    for number, frames in enumerate(LENGTHS):
        path = write_media(folder / f"{number}.mp4", frames, audio=number % 3 > 0)
        rows.append({"media": path.name, "question": "how long?", "answer": str(frames)})
    file = folder / "clips.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("torch_xla") is None, reason="needs torch_xla")
def test_no_graph_is_compiled_twice_in_a_long_run(data, tmp_path, monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "--xla_backend_optimization_level=0")  # Compiled sooner.
    (tmp_path / "stages.gin").write_text(STAGES)
    run = finish(
        data,
        tmp_path,
        "--gin_file=runs/manifest.gin",
        f"--gin_file={tmp_path}/stages.gin",
        f"--gin.MANIFEST={str(manifest(tmp_path))!r}",
        *(f"--gin.{name}={value}" for name, value in SETTINGS.items()),
        "--runtime=xla",
    )
    graphs = {
        line["step"]: line["compiled_graphs"]
        for line in command.lines(run.workdir, "speed.jsonl")
        if "compiled_graphs" in line
    }
    assert len(graphs) == STEPS
    new = [step for step in range(2, STEPS + 1) if graphs[step] > graphs[step - 1]]
    # Of the first step, of what it leaves to the second, of the other shape, of an evaluation.
    assert new == [2, SECOND_STAGE + 1, 101]
    assert {line["step"] for line in command.lines(run.workdir) if line["split"] != "train"} == {
        100,
        200,
        300,
    }
