"""The tiny run from the command line: what it writes, and what follows it."""

import json

from mirasol.checkpoint.manager import CheckpointManager
from tests.runs import command


def test_the_training_process_imports_no_tensorflow(unbroken):
    assert unbroken.process.stdout.splitlines()[-1] == "IMPORTED"


def test_the_workdir_holds_what_is_promised(unbroken):
    names = {path.name for path in unbroken.workdir.iterdir()}
    assert names >= {
        "config.gin",
        "operative_config.gin",
        "provenance.json",
        "metrics.jsonl",
        "checkpoints",
        "eval",
        "logs",
    }
    assert list((unbroken.workdir / "logs").glob("events.*"))
    assert CheckpointManager(unbroken.workdir / "checkpoints").steps() == [10, 20]


def test_the_metrics_file_has_a_line_a_step_and_one_an_evaluation(unbroken):
    lines = command.lines(unbroken.workdir)
    train = [line for line in lines if line["split"] == "train"]
    assert [line["step"] for line in train] == list(range(1, 21))
    assert train[-1]["loss"] < 0.7 * train[0]["loss"]
    (evaluation,) = [line for line in lines if line["split"] == "validation"]
    assert (evaluation["step"], evaluation["task"]) == (20, "av_shapes_tiny_joint")
    file = json.loads((unbroken.workdir / "eval/av_shapes_tiny_joint-validation.json").read_text())
    assert file["step"] == 20
    assert file["num_examples"] > 100
    assert file["accuracy"] == evaluation["accuracy"]


def test_the_same_command_again_finds_nothing_left_to_do(unbroken):
    before = (unbroken.workdir / "metrics.jsonl").read_bytes()
    again = command.run(
        "train",
        "--gin_file=runs/av_shapes_tiny.gin",
        f"--workdir={unbroken.workdir}",
        data=unbroken.data,
        cwd=unbroken.cwd,
    )
    assert again.returncode == 0, again.stderr
    assert (unbroken.workdir / "metrics.jsonl").read_bytes() == before


def test_eval_needs_only_the_workdir(unbroken):
    process = command.run(
        "eval",
        f"--workdir={unbroken.workdir}",
        "--task=av_shapes_tiny_hearing",
        "--split=test",
        data=unbroken.data,
        cwd=unbroken.cwd,
    )
    assert process.returncode == 0, process.stderr
    assert "hearing" in process.stdout
    folder = unbroken.workdir / "eval"
    scores = json.loads((folder / "av_shapes_tiny_hearing-test.json").read_text())
    assert scores["num_examples"] == scores["num/hearing"]
    assert (folder / "av_shapes_tiny_hearing-test.png").stat().st_size > 10_000


def test_infer_answers_about_a_file_and_about_a_split(unbroken):
    video = next((unbroken.data / "av_shapes_tiny" / "videos").glob("*.mp4"))
    one = command.run(
        "infer",
        f"--workdir={unbroken.workdir}",
        f"--video={video}",
        "--question=what colour comes first",
        data=unbroken.data,
        cwd=unbroken.cwd,
    )
    assert one.returncode == 0, one.stderr
    answer, imported = one.stdout.splitlines()
    assert imported == "IMPORTED"
    assert len(answer.split()) <= 1
    output = unbroken.cwd / "answers.jsonl"
    many = command.run(
        "infer",
        f"--workdir={unbroken.workdir}",
        "--task=av_shapes_tiny_sight",
        "--split=test",
        f"--output={output}",
        data=unbroken.data,
        cwd=unbroken.cwd,
    )
    assert many.returncode == 0, many.stderr
    rows = [json.loads(line) for line in output.read_text().splitlines()]
    assert f"{len(rows)} answers" in many.stdout
    assert {row["type"] for row in rows} == {"sight"}
    assert all({"id", "question", "answer", "prediction", "media"} <= row.keys() for row in rows)
