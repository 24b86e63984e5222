"""When a training is saved, evaluated and stopped, and what a resumed one knows of it."""

import json
import math
import signal

import pytest
import torch

from mirasol.checkpoint.manager import CheckpointManager
from mirasol.checkpoint.manifest import CheckpointError
from mirasol.training.best import Best
from mirasol.training.evaluations import Evaluations
from mirasol.training.hooks import Log
from mirasol.training.run_state import RunState
from mirasol.training.saving import Saving
from mirasol.training.stopping import Stop, Stopped
from mirasol.training.writers import MetricsWriter, recorded_scores


def to_host(values):
    return {name: float(value) for name, value in values.items()}


@pytest.fixture
def run():
    return RunState()


@pytest.fixture
def writer(tmp_path):
    made = MetricsWriter(tmp_path, 0)
    yield made
    made.close()


@pytest.fixture
def manager(tmp_path):
    made = CheckpointManager(tmp_path / "checkpoints", keep=2)
    yield made
    made.close()


def saving(run, manager, **options):
    return Saving(
        **{"interval": 100, "last_step": 1000, "before": lambda: None} | options,
        run=run,
        checkpoints=manager,
        state=lambda: {"w": torch.full((2,), float(run.step)), **run.values(to_host)},
    )


def go(hook, run, *steps):
    for step in steps:
        run.step = step
        hook.after_step(step, 1, {})
    hook.checkpoints.wait_until_finished()


def test_saved_by_step_and_at_the_end(run, manager):
    go(saving(run, manager, interval=3, last_step=7), run, *range(1, 8))
    assert manager.steps() == [6, 7]


def test_saved_by_time(run, manager, monkeypatch):
    now_s = [100.0]
    monkeypatch.setattr("mirasol.training.saving.time.monotonic", lambda: now_s[0])
    hook = saving(run, manager, interval_s=60.0)
    go(hook, run, 1)
    now_s[0] = 161.0
    go(hook, run, 2, 3)
    now_s[0] = 222.0
    go(hook, run, 4)
    assert manager.steps() == [2, 4]


def test_several_processes_save_by_the_clock_of_the_first(run, manager, tmp_path, monkeypatch):
    """Each looks at a clock of its own, of which the second runs ahead by far."""
    now_s, decisions = [100.0], []
    monkeypatch.setattr("mirasol.training.saving.time.monotonic", lambda: now_s[0])

    def first(decide):
        decisions.append(decide())
        return decisions[-1]

    def second(decide):
        return decisions[-1]  # What it finds itself is not even asked.

    other = RunState()
    hooks = [
        (saving(run, manager, interval_s=60.0, decided=first), run),
        (
            saving(other, CheckpointManager(tmp_path / "other"), interval_s=60.0, decided=second),
            other,
        ),
    ]
    clocks = {1: (110.0, 900.0), 2: (150.0, 901.0), 3: (165.0, 100.0), 4: (170.0, 999.0)}
    for step, times in clocks.items():
        for (hook, state), time_s in zip(hooks, times, strict=True):
            now_s[0] = time_s
            go(hook, state, step)
    assert decisions == [False, False, True, False]
    assert [hook.checkpoints.steps() for hook, _ in hooks] == [[3], [3]]


def test_the_best_evaluation_is_saved_and_kept(run, manager):
    hook = saving(run, manager, interval=2)
    for step, score in enumerate([0.1, 0.5, 0.9, 0.2, 0.9, 0.3, 0.3, 0.3], start=1):
        run.step = step
        Best(task="a").judge(run, step, {"a": {"accuracy": score}})
        hook.after_step(step, 1, {})
    manager.wait_until_finished()
    assert (run.best_step, run.best_value) == (3, 0.9)
    assert manager.steps() == [3, 6, 8]


def test_the_lowest_may_be_the_best_and_nan_never_is(run):
    best = Best(task="a", metric="loss", lowest=True)
    for step, loss in enumerate([math.nan, 2.0, 1.0, 3.0, math.nan], start=1):
        best.judge(run, step, {"a": {"loss": loss}})
    assert (run.best_step, run.best_value) == (3, 1.0)


def test_a_metric_that_is_not_there_is_told_and_ends_nothing(run, caplog):
    Best(task="a", metric="acuracy").judge(run, 1, {"a": {"accuracy": 1.0}})
    assert run.best_step is None
    assert "task 'a' has no metric 'acuracy'; did you mean 'accuracy'?" in caplog.text


class Disk:
    """Refuses the next so many saves."""

    def __init__(self, refusals=0):
        self.refusals = refusals

    def __call__(self):
        self.refusals -= 1
        if self.refusals >= 0:
            raise OSError(28, "No space left on device")


def test_a_failed_save_is_told_and_the_next_that_is_due_tries_again(run, manager, caplog):
    disk = Disk(refusals=0)
    hook = saving(run, manager, interval=2, before=disk)
    go(hook, run, 1, 2)
    disk.refusals = 2
    for step in range(3, 8):
        run.step = step
        hook.after_step(step, 1, {})
        if manager._background._under_way is not None:
            manager._background._under_way.exception(timeout=10)
    told = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert len(told) == 2
    assert told[0].startswith("SAVE FAILED: the save of step 4 failed: ")
    assert "No space left on device" in told[0]
    assert f"In {manager.place.path} there is still that of step 2. Training goes on" in told[0]
    assert told[1].startswith("SAVE FAILED (2 saves in a row): the save of step 6 failed: ")
    go(hook, run, 8)
    hook.finish()
    assert (hook.saved, hook.failures) == (8, 0)
    assert manager.steps() == [2, 8]


def test_a_folder_that_is_in_the_way_ends_no_training(run, manager, caplog):
    """What is refused before anything is copied is told in the same way."""
    manager.place.path.write_text("")
    hook = saving(run, manager, interval=1, last_step=2, pauses_s=(0.0,))
    run.step = 1
    hook.after_step(1, 1, {})
    run.step = 2
    hook.after_step(2, 1, {})
    assert "a file stands where a folder is to be" in caplog.text
    assert f"There is no checkpoint in {manager.place.path}" in caplog.text
    manager.place.path.unlink()
    hook.finish()
    assert manager.steps() == [2]


@pytest.mark.parametrize("refusals", [1, 3])
def test_the_last_save_is_tried_again_with_the_state_in_memory(run, manager, caplog, refusals):
    hook = saving(run, manager, interval=2, before=Disk(refusals), pauses_s=(0.01, 0.02, 0.03))
    run.step = 3  # A signal came.
    hook.finish()
    assert manager.read(3)["w"].tolist() == [3.0, 3.0]
    assert caplog.text.count("SAVE FAILED") == refusals
    assert "Trying again in 0.01 s" in caplog.text


def test_a_last_save_that_fails_every_time_is_an_error(run, manager):
    disk = Disk()
    hook = saving(run, manager, interval=2, before=disk, pauses_s=(0.0, 0.0))
    go(hook, run, 1, 2)
    disk.refusals = 10
    run.step = 3
    with pytest.raises(CheckpointError) as caught:
        hook.finish()
    assert disk.refusals == 10 - 3
    assert "step 3 is not saved, 3 saves in a row failed: " in str(caught.value)
    assert "No space left on device" in str(caught.value)
    assert str(caught.value).endswith(f"In {manager.place.path} there is still that of step 2")
    assert manager.read()["w"].tolist() == [2.0, 2.0]


def test_a_fault_of_the_program_ends_the_run_at_the_next_step(run, manager):
    hook = saving(run, manager, interval=2, before=lambda: {}["w"])
    run.step = 2
    hook.after_step(2, 1, {})
    manager._background._under_way.exception(timeout=10)
    with pytest.raises(KeyError, match="w"):
        hook.after_step(3, 1, {})


def test_what_is_saved_already_is_not_saved_again(run, manager):
    hook = saving(run, manager, interval=2)
    go(hook, run, 1, 2)
    hook.finish()
    assert manager.steps() == [2]
    go(hook, run, 3)
    hook.finish()
    assert manager.steps() == [2, 3]


def test_a_resumed_run_knows_what_the_stopped_one_did(run, manager):
    run.step, run.evaluated, run.best_step, run.best_value = 7, 5, 5, 0.25
    run.broken_media = {"b.mp4", "a.mp4"}
    third = torch.tensor(1.0) / 3
    for loss in (third, third * 3e7):
        run.sums.add({"loss": loss})
    manager.save(7, run.values(to_host))
    values = RunState().values(to_host)
    manager.restore(values)
    resumed = RunState()
    resumed.take(values)
    for each in (run, resumed):
        each.sums.add({"loss": third})
    assert resumed.sums.totals["loss"].dtype == torch.float32
    assert torch.equal(resumed.sums.totals["loss"], run.sums.totals["loss"])
    assert resumed == run


def test_a_line_of_the_log_is_the_same_after_a_stop_within_its_interval(tmp_path):
    losses = [torch.tensor(value) for value in torch.randn(6).tolist()]

    def log(folder, first_step, sums):
        return Log(
            interval=3,
            first_step=first_step,
            last_step=6,
            rate=lambda step: 0.1,
            fetch=to_host,
            graphs=lambda: 0,
            writer=MetricsWriter(folder, first_step),
            sums=sums,
        )

    def steps(hook, first, last):
        for step in range(first, last):
            hook.after_step(step + 1, 2, {"loss": losses[step]})
        hook.close()
        hook.writer.close()

    whole, broken = tmp_path / "whole", tmp_path / "broken"
    whole.mkdir(), broken.mkdir()
    steps(log(whole, 0, None), 0, 6)
    first = RunState()
    steps(log(broken, 0, first.sums), 0, 4)
    saved = json.loads(json.dumps(first.values(to_host)))
    steps(log(broken, 4, first.sums), 4, 6)  # Killed: these lines are of no checkpoint.
    second = RunState()
    second.take(saved)
    steps(log(broken, 4, second.sums), 4, 6)
    assert (broken / "metrics.jsonl").read_bytes() == (whole / "metrics.jsonl").read_bytes()
    assert len((broken / "speed.jsonl").read_text().splitlines()) == 2


def evaluations(run, writer, stop, evaluate, best=None):
    return Evaluations(
        tasks=["a", "b"],
        split="validation",
        evaluate=evaluate,
        writer=writer,
        run=run,
        best=best,
        stop=stop,
    )


def test_an_evaluation_that_was_broken_off_goes_on_with_the_next_task(run, writer, tmp_path):
    stop, asked = Stop(), []
    run.step = 5

    def evaluate(task):
        asked.append(task)
        for batch in range(3):
            stop.check()
            if asked == ["a", "b"] and batch == 1:
                stop._take(signal.SIGTERM, None)
        return {"accuracy": len(asked) / 10, "step": 5, "odd": math.nan}

    with stop.finishing(), pytest.raises(Stopped):
        evaluations(run, writer, stop, evaluate).at(5)
    assert run.evaluated == 0
    recorded = recorded_scores(tmp_path, 5, "validation")
    assert recorded.keys() == {"a"}
    assert (recorded["a"]["accuracy"], recorded["a"]["step"]) == (0.1, 5)
    assert math.isnan(recorded["a"]["odd"])

    stop = Stop()
    resumed = evaluations(run, writer, stop, evaluate, Best(task="a"))
    resumed.finish(5, recorded)
    assert asked == ["a", "b", "b"]
    assert (run.evaluated, run.best_step, run.best_value) == (5, 5, 0.1)
    assert resumed.scores["b"]["accuracy"] == 0.3
    lines = [json.loads(line) for line in writer.path.read_text().splitlines()]
    assert [(line["task"], line["accuracy"]) for line in lines] == [("a", 0.1), ("b", 0.3)]


def test_the_best_of_a_task_that_is_not_evaluated_is_refused_before_any_step(run, writer):
    said = r"Best\.task is 'aa', and evaluated are only a, b; did you mean 'a'\?"
    with pytest.raises(ValueError, match=said):
        evaluations(run, writer, Stop(), dict, Best(task="aa"))


def test_lines_reach_the_disk_before_the_checkpoint(run, manager, writer):
    writer.write(1, "train", {"loss": 1.0})
    seen = []

    def before():
        writer.sync()
        seen.append(manager.steps())

    go(saving(run, manager, interval=1, before=before), run, 1, 2)
    assert seen == [[], [1]]
