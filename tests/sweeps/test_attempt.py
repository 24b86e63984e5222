"""One attempt: every way to end, told with its reason."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import threading
import time

import pytest

from mirasol.sweeps import locks, watch
from mirasol.sweeps.early import EarlyStop, StopBelow, StopBelowMedian
from mirasol.sweeps.records import read_trial, trial_folder, write_trial
from tests.sweeps import scheduling
from tests.sweeps.reporting import made_up


@dataclasses.dataclass
class Counting(EarlyStop):
    """Ends nothing, and keeps what values it was asked about."""

    metric: str
    step: int
    asked: list = dataclasses.field(default_factory=list)

    def bound(self, values):
        self.asked.append(values())


def ended(tmp_path, behaviour: str, pause_s: float = 0.05, **settings):
    scheduling.plant(tmp_path, [behaviour], pause_s, **settings)
    (attempt,) = scheduling.attempts(tmp_path)
    state = attempt()
    record = read_trial(attempt.folder)
    assert record.state == state
    assert record.pid is None
    assert record.process is None
    assert not locks.is_held(attempt.folder)
    return record


def test_done(tmp_path):
    record = ended(tmp_path, "fine")
    assert (record.state, record.exit_code, record.reason, record.error) == ("done", 0, "", "")
    assert record.attempts == 1
    assert record.seconds > 0
    assert record.started <= record.ended


def test_a_process_that_fails_leaves_its_code_and_last_lines(tmp_path):
    record = ended(tmp_path, "fail_once")
    assert (record.state, record.exit_code) == ("failed", 3)
    assert record.reason == "its process ended with exit code 3"
    assert record.error == "a reason that the log keeps"


def test_a_process_that_dies(tmp_path):
    record = ended(tmp_path, "die")
    assert (record.state, record.exit_code) == ("failed", -signal.SIGKILL)
    assert record.reason == "its process was killed by SIGKILL"


def test_a_process_that_ends_well_without_its_metric(tmp_path):
    record = ended(tmp_path, "silent")
    assert (record.state, record.exit_code) == ("failed", 0)
    assert "toy/accuracy at step 4 is not in metrics.jsonl" in record.reason


def test_a_metric_that_is_no_number_is_none(tmp_path):
    record = ended(tmp_path, "nan")
    assert (record.state, record.exit_code) == ("failed", 0)
    assert "toy/accuracy at step 4 is not a finite number" in record.reason


@pytest.mark.parametrize(
    ("settings", "reason"),
    [({"limit_s": 0.6}, "longer than its limit of 0.6 s"), ({"silence_s": 0.6}, "it hangs")],
)
def test_a_process_that_hangs(tmp_path, settings, reason):
    record = ended(tmp_path, "hang", grace_s=0.2, **settings)
    assert record.state == "failed"
    assert reason in record.reason
    assert record.exit_code == -signal.SIGKILL  # It would not hear SIGTERM.
    assert record.reason.endswith("; killed, since it did not end within 0.2 s (Sweep.grace_s)")


def test_a_machine_that_is_taken_away_lets_the_trial_save_first(tmp_path):
    """submitit's own handler, which queues the job again and exits, is called when all is saved."""
    scheduling.plant(tmp_path, ["fine"], pause_s=1.0, grace_s=30.0)
    (attempt,) = scheduling.attempts(tmp_path)
    told = []
    before = signal.signal(signal.SIGUSR2, lambda *_: told.append(read_trial(attempt.folder)))
    # To the trial, too, as Slurm may: it is not to die of it, but to end when it has saved.
    metrics = attempt.folder / "workdir/metrics.jsonl"
    cluster = in_background(metrics, attempt.folder, signal.SIGUSR2)
    try:
        assert attempt() == "pending"
    finally:
        cluster.join(60.0)
        signal.signal(signal.SIGUSR2, before)
    (record,) = told
    assert (record.state, record.process) == ("pending", None)
    assert record.exit_code == 128 + signal.SIGTERM
    assert record.seconds > 0
    assert attempt() == "done"
    first, second = (attempt.folder / "starts.txt").read_text().split()
    assert int(second) > int(first)  # From what was saved.


def test_a_signal_to_all_processes_of_a_job_lets_the_trial_save(tmp_path):
    """The trial hears it twice, from without and from its watcher, and takes it for one."""
    scheduling.plant(tmp_path, ["fine"], pause_s=1.5, grace_s=30.0, poll_s=1.0)
    (attempt,) = scheduling.attempts(tmp_path)
    metrics = attempt.folder / "workdir/metrics.jsonl"
    cluster = in_background(metrics, attempt.folder, signal.SIGTERM)
    assert attempt() == "pending"
    cluster.join(60.0)
    assert read_trial(attempt.folder).exit_code == 128 + signal.SIGTERM
    assert len(metrics.read_text().splitlines()) == 2  # The step that it was at is saved.


def in_background(metrics, folder, number):
    """Sends a signal to the trial and to this process, its watcher, after the first step."""

    def send():
        end_s = time.monotonic() + 60.0
        while not metrics.exists():
            if time.monotonic() > end_s:
                return
            time.sleep(0.02)
        time.sleep(0.1)  # Into the step after it.
        for process in (read_trial(folder).process, os.getpid()):
            os.kill(process, number)

    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    return thread


def test_a_command_that_is_not_there(tmp_path):
    record = ended(tmp_path, "fine", command=("/nowhere/python",))
    assert record.state == "failed"
    assert "could not be started" in record.reason


def test_an_attempt_whose_watcher_was_cut_off_leaves_the_seconds_incomplete(tmp_path):
    scheduling.plant(tmp_path, ["fail_once"], pause_s=0.01)
    (attempt,) = scheduling.attempts(tmp_path)
    assert attempt() == "failed"
    assert not read_trial(attempt.folder).seconds_incomplete
    write_trial(attempt.folder, dataclasses.replace(read_trial(attempt.folder), state="running"))
    assert attempt() == "done"
    assert read_trial(attempt.folder).seconds_incomplete
    write_trial(attempt.folder, dataclasses.replace(read_trial(attempt.folder), state="pending"))
    assert attempt() == "done"
    assert read_trial(attempt.folder).seconds_incomplete


def test_a_rule_stops_what_is_below_its_value(tmp_path):
    rule = StopBelow(metric="toy/accuracy", step=2, value=0.9)
    record = ended(tmp_path, "fine", 0.2, early_stop=rule)
    assert record.state == "stopped"
    assert record.reason == "toy/accuracy at step 2 is 0.5, below 0.9"


def test_a_verdict_outlives_the_watcher(tmp_path, monkeypatch):
    def dies(self, process):
        process.kill()
        process.wait()
        raise KeyboardInterrupt  # As if the watcher were gone: nothing more is written.

    monkeypatch.setattr(watch.Watch, "_terminate", dies)
    rule = StopBelow(metric="toy/accuracy", step=2, value=0.9)
    scheduling.plant(tmp_path, ["fine"], 0.2, early_stop=rule)
    (attempt,) = scheduling.attempts(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        attempt()
    record = read_trial(attempt.folder)
    assert (record.state, record.looked_at) == ("stopped", 2)
    assert record.reason == "toy/accuracy at step 2 is 0.5, below 0.9"
    assert record.ended
    assert attempt() == "stopped"
    assert read_trial(attempt.folder).attempts == 1


def test_a_rule_lets_on_what_is_above(tmp_path):
    rule = StopBelow(metric="toy/accuracy", step=2, value=0.5)
    assert ended(tmp_path, "fine", 0.2, early_stop=rule).state == "done"


def write_score(workdir, accuracy):
    line = {"step": 2, "split": "validation", "task": "toy", "accuracy": accuracy}
    workdir.mkdir(parents=True)
    (workdir / "metrics.jsonl").write_text(json.dumps(line) + "\n")


def test_a_rule_looks_once_and_at_trials_of_the_plan_alone(tmp_path):
    rule = Counting("toy/accuracy", 2)
    scheduling.plant(tmp_path, ["fine"], 0.2, early_stop=rule)
    others = {"planned": 0.25, "broken": None, "of-an-earlier-plan": 0.9}
    for name, accuracy in others.items():
        write_score(trial_folder(tmp_path, name) / "workdir", accuracy)
    unbegun = {"state": "pending", "attempts": 0}
    planned = [made_up.record("x", 0, id=i, **unbegun) for i in ("trial00", "planned", "broken")]
    made_up.write_sweep(tmp_path, planned)
    (attempt,) = scheduling.attempts(tmp_path)
    assert attempt() == "done"
    assert attempt.rules.early_stop.asked == [[0.5, 0.25]]
    # Cut off after that and gone on with, it is not judged again.
    write_trial(attempt.folder, dataclasses.replace(read_trial(attempt.folder), state="pending"))
    (attempt.folder / "workdir/metrics.jsonl").unlink()
    assert attempt() == "done"
    assert len(attempt.rules.early_stop.asked) == 1


def test_the_median_is_of_those_that_have_got_there(tmp_path):
    workdirs = []
    for number, accuracy in enumerate([0.2, 0.4, 0.6]):
        workdirs.append(tmp_path / str(number))
        workdirs[-1].mkdir()
        line = {"step": 5, "split": "validation", "task": "toy", "accuracy": accuracy}
        (workdirs[-1] / "metrics.jsonl").write_text(json.dumps(line) + "\n")
    rule = StopBelowMedian(metric="toy/accuracy", step=5, trials=3)
    verdicts = [rule.verdict(each, lambda: workdirs) for each in workdirs]
    assert verdicts == ["toy/accuracy at step 5 is 0.2, below 0.4", "", ""]
    more = dataclasses.replace(rule, trials=4)
    assert more.verdict(workdirs[0], lambda: workdirs) == ""


def test_done_is_not_trained_again_and_what_is_worked_on_is_left_alone(tmp_path):
    scheduling.plant(tmp_path, ["fine"])
    (attempt,) = scheduling.attempts(tmp_path)
    with locks.held(attempt.folder) as lock:
        assert lock is not None
        assert attempt() == "pending"
    record = read_trial(attempt.folder)
    assert record.attempts == 0
    write_trial(attempt.folder, dataclasses.replace(record, state="done"))
    assert attempt() == "done"
    assert not (trial_folder(tmp_path, "trial00") / "starts.txt").exists()
