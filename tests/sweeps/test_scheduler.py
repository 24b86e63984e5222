"""The scheduler's state machine, with stand-in trials: killed, doubled, stopped, with failures."""

from __future__ import annotations

import dataclasses
import os
import pickle
import platform
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mirasol.sweeps import ending, locks
from mirasol.sweeps.records import TrialRecord, read_trial, trial_folder, write_trial
from mirasol.sweeps.scores import metrics_at
from tests.sweeps import scheduling

TWELVE = ["fail_once" if number in (3, 8) else "fine" for number in range(12)]


class Interrupted(scheduling.PlainExecutor):
    """Has the scheduler hear Ctrl-C as soon as a watcher was started."""

    def __init__(self, folder: Path, delay_s: float = 0.0):
        super().__init__(folder, delay_s)
        self.before: Callable[[], object] = lambda: None
        self.after: Callable[[], object] = lambda: None

    def submit(self, attempt):
        self.before()
        started = super().submit(attempt)
        self.after()
        signal.raise_signal(signal.SIGINT)
        return started


@pytest.fixture
def bystander() -> Iterator[subprocess.Popen]:
    """A process that has nothing to do with any sweep, and leads a group."""
    process = subprocess.Popen(["sleep", "600"], start_new_session=True)
    yield process
    process.kill()
    process.wait()


def change(folder: Path, **changes) -> None:
    """Changes the record of the only trial."""
    inside = trial_folder(folder, "trial00")
    write_trial(inside, dataclasses.replace(read_trial(inside), **changes))


def kill_watcher(folder: Path) -> None:
    """Kills the watcher of the only trial."""
    (record,) = records(folder)
    assert record.pid, "0 would be the group of the tests themselves"
    os.kill(record.pid, signal.SIGKILL)


def records(folder: Path) -> list[TrialRecord]:
    return [read_trial(path) for path in sorted((folder / "trials").iterdir())]


def starts(folder: Path) -> list[list[int]]:
    """The steps from which each trial was begun."""
    files = sorted((folder / "trials").glob("*/starts.txt"))
    return [[int(line) for line in file.read_text().splitlines()] for file in files]


def table(folder: Path) -> list[tuple]:
    return [
        (each.id, each.seed, each.state, metrics_at(trial_folder(folder, each.id) / "workdir", 4))
        for each in records(folder)
    ]


def require_each_trained_once(folder: Path) -> None:
    for number, begun in enumerate(starts(folder)):
        metrics = trial_folder(folder, f"trial{number:02}") / "workdir/metrics.jsonl"
        assert len(metrics.read_text().splitlines()) == scheduling.STEPS
        assert begun == ([0, 1] if TWELVE[number] == "fail_once" else [0])


def steps_taken(folder: Path) -> int:
    files = (folder / "trials").glob("*/workdir/metrics.jsonl")
    return sum(len(file.read_text().splitlines()) for file in files)


def killed_at_random(folder: Path, executor: str) -> None:
    """Kills ten schedulers, each once so many steps of all have been taken, and lets one end."""
    draw = random.Random(5)
    for moment in sorted(draw.sample(range(len(TWELVE) * scheduling.STEPS), 10)):
        process = scheduling.start(folder, 2, 1, executor)
        wait_until(lambda moment=moment: steps_taken(folder) >= moment)
        time.sleep(draw.uniform(0.0, 0.2))
        process.kill()
        process.wait()
    last = scheduling.start(folder, 2, 1, executor)
    assert last.wait(timeout=240) == 0


@pytest.mark.parametrize("executor", ["plain", pytest.param("submitit", marks=pytest.mark.slow)])
def test_a_scheduler_killed_at_ten_random_moments_loses_nothing(tmp_path, executor):
    killed, undisturbed = tmp_path / "killed", tmp_path / "undisturbed"
    for folder in (killed, undisturbed):
        scheduling.plant(folder, TWELVE)
    killed_at_random(killed, executor)
    assert scheduling.scheduler(undisturbed, 4, 1).run()
    assert [each.state for each in records(killed)] == ["done"] * 12
    require_each_trained_once(killed)
    assert table(killed) == table(undisturbed)


def test_two_schedulers_share_a_sweep(tmp_path):
    scheduling.plant(tmp_path, TWELVE[:6])
    both = [scheduling.start(tmp_path, 2, 1) for _ in range(2)]
    assert [process.wait(timeout=120) for process in both] == [0, 0]
    assert [each.state for each in records(tmp_path)] == ["done"] * 6
    assert starts(tmp_path) == [[0], [0], [0], [0, 1], [0], [0]]


def test_ctrl_c_has_trials_save_and_the_same_command_goes_on(tmp_path):
    scheduling.plant(tmp_path, ["fine", "fine"], pause_s=0.5)
    process = scheduling.start(tmp_path, 2, 1)
    wait_until(lambda: len(starts(tmp_path)) == 2 and all(r.process for r in records(tmp_path)))
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) == 130
    found = records(tmp_path)
    assert [each.state for each in found] == ["pending"] * 2
    assert {each.reason for each in found} == {"stopped by a signal"}
    assert not any(locks.is_held(trial_folder(tmp_path, each.id)) for each in found)
    assert scheduling.scheduler(tmp_path, 2, 1).run()
    assert [each.state for each in records(tmp_path)] == ["done"] * 2
    assert all(begun[0] == 0 < begun[1] for begun in starts(tmp_path))


def test_ctrl_c_does_not_fail_a_trial_that_is_tried_for_the_last_time(tmp_path):
    scheduling.plant(tmp_path, ["fail_once"], pause_s=0.5)
    process = scheduling.start(tmp_path, 1, 1)
    wait_until(lambda: [r.attempts for r in records(tmp_path) if r.process] == [2])
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) == 130
    (record,) = records(tmp_path)
    assert (record.state, record.reason) == ("pending", "stopped by a signal")


def test_ctrl_c_before_a_watcher_has_begun_is_for_it_alone(tmp_path, bystander):
    scheduling.plant(tmp_path, ["fine"], pause_s=0.5)
    of_before = {"pid": bystander.pid, "process": bystander.pid, "host": platform.node()}
    change(tmp_path, state="running", attempts=1, **of_before)
    waiting = scheduling.scheduler(tmp_path, 1, 1)
    waiting._executor = Interrupted(tmp_path / "jobs", delay_s=1.0)
    assert not waiting.run()
    (record,) = records(tmp_path)
    assert (record.state, record.attempts) == ("pending", 2)
    assert record.reason == "stopped by a signal"
    assert bystander.poll() is None


def test_ctrl_c_on_a_scheduler_that_came_late_is_not_for_the_other(tmp_path):
    scheduling.plant(tmp_path, ["fine"], pause_s=0.5)
    others = []

    def other_begins() -> None:
        others.append(scheduling.start(tmp_path, 1, 1))
        wait_until(lambda: records(tmp_path)[0].process is not None)

    late = scheduling.scheduler(tmp_path, 1, 1)
    late._executor = Interrupted(tmp_path / "jobs")
    late._executor.before = other_begins
    assert not late.run()
    assert others[0].wait(timeout=60) == 0
    assert (records(tmp_path)[0].state, starts(tmp_path)) == ("done", [[0]])


def test_ctrl_c_stops_a_trial_of_its_own_whose_watcher_is_dead(tmp_path):
    scheduling.plant(tmp_path, ["fine"], pause_s=1.0)

    def watcher_dies() -> None:
        wait_until(lambda: starts(tmp_path) == [[0]] and records(tmp_path)[0].process is not None)
        kill_watcher(tmp_path)

    mine = scheduling.scheduler(tmp_path, 1, 1)
    mine._executor = Interrupted(tmp_path / "jobs")
    mine._executor.after = watcher_dies
    assert not mine.run()
    assert not locks.is_held(trial_folder(tmp_path, "trial00"))
    assert steps_taken(tmp_path) < scheduling.STEPS


def test_a_signal_that_was_not_delivered_is_given_again(tmp_path, monkeypatch):
    scheduling.plant(tmp_path, ["fine"])
    change(tmp_path, state="running", pid=os.getpid(), host=platform.node())
    (record,) = records(tmp_path)
    heard, refusals = [], [PermissionError, ProcessLookupError]

    def kill(process, number):
        if refusals:
            raise refusals.pop()
        heard.append((process, number))

    monkeypatch.setattr(os, "kill", kill)
    of_one = ending.Ending(
        trial_folder(tmp_path, "trial00"), scheduling.attempts(tmp_path)[0].rules
    )
    with locks.held(trial_folder(tmp_path, "trial00")):
        for _ in range(4):
            of_one.tell(record, orphans=True)
    assert heard == [(os.getpid(), signal.SIGTERM)]


def test_a_process_id_that_is_somebody_elses_is_told_apart(tmp_path, bystander):
    assert not locks.is_open_in(tmp_path, os.getpid())
    with locks.held(tmp_path):
        assert locks.is_open_in(tmp_path, os.getpid())
        assert not locks.is_open_in(tmp_path, bystander.pid)
    assert not locks.is_open_in(tmp_path, os.getpid())


class Stopped(scheduling.PlainExecutor):
    """Each of its attempts is stopped in order, as by another scheduler's Ctrl-C."""

    def submit(self, attempt):
        record = read_trial(attempt.folder)
        stopped = {"state": "pending", "reason": "stopped by a signal"}
        write_trial(
            attempt.folder, dataclasses.replace(record, attempts=record.attempts + 1, **stopped)
        )
        return self

    def done(self) -> bool:
        return True


def test_what_another_scheduler_stopped_in_order_is_gone_on_with(tmp_path):
    scheduling.plant(tmp_path, ["fine"])

    class StoppedAtFirst(Stopped):
        def submit(self, attempt):
            if read_trial(attempt.folder).attempts:
                return scheduling.PlainExecutor.submit(self, attempt)
            super().submit(attempt)  # The one that failed here.
            return super().submit(attempt)  # And the other scheduler's.

    one = scheduling.scheduler(tmp_path, 1, 1)
    one._executor = StoppedAtFirst(tmp_path / "jobs")
    assert one.run()
    assert records(tmp_path)[0].state == "done"


def test_what_is_stopped_each_time_is_left_and_has_not_failed(tmp_path):
    scheduling.plant(tmp_path, ["fine", "fine"])
    one = scheduling.scheduler(tmp_path, 2, 1)
    one._executor = Stopped(tmp_path / "jobs")
    assert not one.run()
    assert [(each.state, each.attempts) for each in records(tmp_path)] == [("pending", 2)] * 2


def test_a_trial_that_outlived_its_watcher_is_waited_for(tmp_path):
    scheduling.plant(tmp_path, ["fine"], pause_s=0.4)
    process = scheduling.start(tmp_path, 1, 0)
    wait_until(lambda: starts(tmp_path) == [[0]] and records(tmp_path)[0].process is not None)
    process.kill()
    process.wait()
    kill_watcher(tmp_path)
    assert records(tmp_path)[0].state == "running"
    assert locks.is_held(trial_folder(tmp_path, "trial00"))
    assert scheduling.scheduler(tmp_path, 1, 1).run()
    assert records(tmp_path)[0].state == "done"
    assert starts(tmp_path) == [[0, scheduling.STEPS]]  # Found trained, by a second start.


@pytest.fixture
def hanging(tmp_path) -> Path:
    """The folder of a sweep whose only trial hangs, its scheduler and its watcher dead."""
    scheduling.plant(tmp_path, ["hang"], grace_s=0.3)
    process = scheduling.start(tmp_path, 1, 0)
    wait_until(lambda: steps_taken(tmp_path) == 1)
    process.kill()
    process.wait()
    kill_watcher(tmp_path)
    time.sleep(0.3)  # Until it hears no SIGTERM, and longer than the limit below.
    return tmp_path


@pytest.mark.parametrize(
    ("rules", "state", "reason"),
    [
        ({"silence_s": 0.2}, "running", "it wrote nothing for 0.2 s: it hangs; its watcher had"),
        ({"limit_s": 0.2}, "running", "longer than its limit of 0.2 s; its watcher had died"),
        ({}, "stopped", ""),
    ],
)
def test_a_trial_whose_watcher_is_dead_is_held_to_its_rules(hanging, rules, state, reason):
    inside = trial_folder(hanging, "trial00")
    change(hanging, state=state, reason="below" if state == "stopped" else "")
    given = dataclasses.replace(scheduling.attempts(hanging)[0].rules, **rules)
    of_one = ending.Ending(inside, given)

    def is_ended() -> bool:
        of_one.hold_to_rules(read_trial(inside))
        return not locks.is_held(inside)

    wait_until(is_ended)
    told = of_one.reason(read_trial(inside))
    assert reason in told
    assert (
        told.endswith("; killed, since it did not end within 0.3 s (Sweep.grace_s)") or not reason
    )
    assert not of_one.reason(dataclasses.replace(read_trial(inside), attempts=2))


def test_an_orphan_that_hangs_is_not_waited_for_without_end(hanging):
    (attempt,) = scheduling.attempts(hanging)
    rules = dataclasses.replace(attempt.rules, silence_s=0.5)
    fine = dataclasses.replace(attempt, rules=rules, command=(*attempt.command[:-1], "fine"))
    (hanging / "attempts.pickle").write_bytes(pickle.dumps([fine]))
    second = scheduling.start(hanging, 1, 0)
    try:
        assert second.wait(timeout=60) == 0
    finally:
        second.kill()
        leader = records(hanging)[0].process
        if leader is not None:
            os.killpg(leader, signal.SIGKILL)
    (record,) = records(hanging)
    assert (record.state, record.attempts) == ("done", 2)
    assert record.seconds_incomplete


def test_ctrl_c_kills_an_orphan_that_does_not_hear_it(hanging):
    inside = trial_folder(hanging, "trial00")
    of_one = ending.Ending(inside, scheduling.attempts(hanging)[0].rules)

    def is_ended() -> bool:
        of_one.tell(read_trial(inside), orphans=True)
        return not locks.is_held(inside)

    wait_until(is_ended)
    assert not of_one.reason(read_trial(inside))


def test_a_terminal_that_is_gone_leaves_the_watchers(tmp_path):
    scheduling.plant(tmp_path, ["fine"], pause_s=0.5)
    process = scheduling.start(tmp_path, 1, 0, "submitit", start_new_session=True)
    wait_until(lambda: records(tmp_path)[0].process is not None)
    os.killpg(process.pid, signal.SIGHUP)
    assert process.wait(timeout=60) == -signal.SIGHUP
    wait_until(lambda: records(tmp_path)[0].state == "done")


def test_what_fails_ends_failed_and_the_rest_goes_on(tmp_path):
    scheduling.plant(tmp_path, ["die", "silent", "fine"])
    assert scheduling.scheduler(tmp_path, 2, 1).run()
    assert [each.state for each in records(tmp_path)] == ["failed", "failed", "done"]
    assert [each.attempts for each in records(tmp_path)] == [2, 2, 1]
    # The same command tries again, what failed alone.
    assert scheduling.scheduler(tmp_path, 2, 0).run()
    assert [each.attempts for each in records(tmp_path)] == [3, 3, 1]


def test_a_watcher_that_never_begins_is_no_endless_loop(tmp_path):
    class Nothing:
        def submit(self, attempt):
            return self

        def done(self):
            return True

    scheduling.plant(tmp_path, ["fine"])
    (attempt,) = scheduling.attempts(tmp_path)
    (attempt.folder / "log.txt").write_text("what an earlier attempt said\n")
    waiting = scheduling.scheduler(tmp_path, 1, 1)
    waiting._executor = Nothing()
    assert waiting.run()
    (record,) = records(tmp_path)
    assert (record.state, record.attempts) == ("failed", 0)
    assert "could be started" in record.reason
    assert record.error == ""
    assert record.ended


def test_submitit_runs_an_attempt(tmp_path):
    scheduling.plant(tmp_path, ["fine"], pause_s=0.01)
    assert scheduling.scheduler(tmp_path, 1, 0, "submitit").run()
    assert records(tmp_path)[0].state == "done"


def wait_until(holds, timeout_s: float = 60.0) -> None:
    end_s = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < end_s, "it never came"
        time.sleep(0.02)
