"""What a trial may take, from what others took; what people see of a sweep."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from mirasol.sweeps import cost, screen
from mirasol.sweeps.records import TrialRecord

SMALL, LARGE = {"width": "96"}, {"width": "192"}
COUNTS = [(SMALL, 100), (LARGE, 300)]


def done(labels, seconds: float, **changes) -> TrialRecord:
    given = {"id": "a", "seed": 0, "steps": 4, "state": "done"}
    return TrialRecord(**{**given, **changes}, labels=labels, seconds=seconds)


def under(labels, seconds: float, **changes):
    """A finished trial under labels of now; its record may have those of before."""
    return labels, done({"width": "renamed"}, seconds, **changes)


def test_another_seed_tells_what_a_trial_takes():
    found = [under(SMALL, 10.0), under(SMALL, 20.0), under(LARGE, 99.0)]
    assert cost.seconds(SMALL, 100, found, COUNTS) == (15.0, "as another seed took")


def test_operations_tell_it_where_no_seed_does():
    seconds, how = cost.seconds(LARGE, 300, [under(SMALL, 10.0)], COUNTS)
    assert seconds == pytest.approx(30.0)
    assert "operations" in how


def test_a_time_with_a_lost_attempt_tells_nothing():
    lost = under(SMALL, 1.0, seconds_incomplete=True)
    assert cost.seconds(SMALL, 100, [lost, under(SMALL, 20.0)], COUNTS)[0] == 20.0
    assert cost.seconds(LARGE, 300, [lost], COUNTS) is None


def test_nothing_tells_it_before_the_first():
    assert cost.seconds(SMALL, 100, [], COUNTS) is None


def test_a_log_has_a_line_for_each_change(capsys):
    shown = screen.Lines("toy/accuracy")
    trials = [done(SMALL, 0.0, state="pending"), done(LARGE, 0.0, id="b", state="running")]
    folders = [Path("nowhere")] * 2
    shown.show(trials, folders)
    shown.show(trials, folders)
    failed = {"id": "b", "state": "failed", "reason": "it hangs"}
    shown.show([trials[0], done(LARGE, 12.0, **failed)], folders)
    lost = done(LARGE, 12.0, **failed, attempts=2, seconds_incomplete=True)
    shown.show([trials[0], lost], folders)
    assert capsys.readouterr().out.splitlines() == [
        "[0/2] b width=192 seed 0 running step 0/4",
        "[0/2] b width=192 seed 0 failed step 0/4 12 s it hangs",
        "[0/2] b width=192 seed 0 failed (attempt 2) step 0/4 at least 12 s it hangs",
    ]


def test_a_table_follows_what_a_trial_writes(tmp_path):
    metrics = tmp_path / "workdir/metrics.jsonl"
    metrics.parent.mkdir()
    shown = []
    for step in (0, 2, 4):
        with metrics.open("a") as file:
            line = {"step": step, "split": "validation", "task": "toy", "accuracy": step / 4}
            file.write(json.dumps(line) + "\n" if step else "")
        shown.append(screen.row(done(LARGE, 0.0), tmp_path, "toy/accuracy")[4:])
    assert shown == [
        ["step 0/4", "", ""],
        ["step 2/4", "", "accuracy 0.5000"],
        ["step 4/4", "", "accuracy 1.0000"],
    ]


def test_a_table_shows_every_trial_whatever_its_labels_hold():
    from rich.console import Console

    trials = [done({"axis": "[red]"}, 3.0), done(LARGE, 0.0, id="b", state="pending")]
    drawn = io.StringIO()
    Console(file=drawn, width=120).print(
        screen._table(trials, [Path("nowhere")] * 2, "toy/accuracy")
    )
    for text in ("1 pending, 1 done", "axis=[red]", "width=192", "toy/accuracy"):
        assert text in drawn.getvalue()
