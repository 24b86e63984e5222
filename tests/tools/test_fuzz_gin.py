"""No slip in a name of a shipped gin file passes: a sample here, every one of them in `slow`."""

from __future__ import annotations

import fuzz_gin
import pytest
from fuzz_gin import ACCEPTED, ENOUGH_RIGHT, Name, fuzz, names, share_right, shipped_files, slips

from mirasol.data import task_names

SAMPLE = 300


def check(verdicts):
    passed = [verdict.slip for verdict in verdicts if verdict.outcome == ACCEPTED]
    assert passed == []
    assert share_right(verdicts) >= ENOUGH_RIGHT


def test_slips_are_deletions_doublings_and_swaps():
    made = {slip.wrong for slip in slips(Name(1, 0, "aab", False), "x.gin")}
    assert made == {"ab", "aa", "aaab", "aabb", "aba"}


def test_names_are_identifiers_and_texts():
    found = [name.text for name in names("a.B.c = ['d e', @f/G()]  # h\n")]
    assert found == ["a", "B", "c", "d e", "f", "G"]


def test_a_slip_that_changes_the_experiment_unnoticed_would_be_seen(monkeypatch):
    with fuzz_gin.copied():
        bench = fuzz_gin.Bench("runs/av_shapes_tiny.gin")
        bench.meaning = {}
        name = next(each for each in names(bench.text) if each.text == "av_shapes_tiny")
        (slip, *_) = slips(name, bench.file)  # Free text: any will do.
        assert bench.try_out(slip).outcome == ACCEPTED


def test_no_slip_of_a_sample_passes(monkeypatch):
    # What seqio knows besides is asked for in tests/data/test_task_names.py.
    monkeypatch.setattr(task_names, "registered", task_names.shipped)
    verdicts = fuzz(shipped_files(), SAMPLE)
    assert len(verdicts) == SAMPLE
    check(verdicts)


@pytest.mark.slow
def test_no_slip_passes():
    check(fuzz(shipped_files()))
