"""No slip in a name of a shipped gin file passes: a sample here, every one of them in `slow`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fuzz_gin import fuzz, main
from fuzzing.bench import (
    ACCEPTED,
    CRASHED,
    REJECTED,
    UNCHANGED,
    Bench,
    Verdict,
    copied,
    shipped_files,
)
from fuzzing.report import Report, counts
from fuzzing.slips import Name, Slip, names, slips

from mirasol.data import task_names

SAMPLE = 300


def check(verdicts):
    report = Report(verdicts, {})
    assert report.passed, report.as_markdown()


def test_slips_are_deletions_doublings_and_swaps():
    made = {slip.wrong for slip in slips(Name(1, 0, "aab", False), "x.gin")}
    assert made == {"ab", "aa", "aaab", "aabb", "aba"}


def test_names_are_identifiers_and_texts():
    found = [name.text for name in names("a.B.c = ['d e', @f/G()]  # h\n")]
    assert found == ["a", "B", "c", "d e", "f", "G"]


def test_a_slip_that_changes_the_experiment_unnoticed_would_be_seen():
    with copied():
        bench = Bench("runs/av_shapes_tiny.gin")
        bench.meaning = {}
        name = next(each for each in names(bench.text) if each.text == "av_shapes_tiny")
        (slip, *_) = slips(name, bench.file)  # Free text: any will do.
        assert bench.try_out(slip).outcome == ACCEPTED


def test_a_file_that_is_rejected_as_it_is_proves_nothing():
    with copied():
        bench = Bench("data/media_cache.gin")
        Path("media_cache").rmdir()
        name = next(each for each in names(bench.text) if each.in_quotes)
        (slip, *_) = slips(name, bench.file)
        verdict = bench.try_out(slip)
    assert verdict.outcome == CRASHED
    assert "is rejected without a slip" in verdict.said


SWEEP = "ablations/losses.gin"


@pytest.mark.parametrize(
    ("text", "wrong", "outcome"),
    [
        ("losses", "lsses", REJECTED),  # In the baseline, or as the axis's name: two do not agree.
        ("all", "al", REJECTED),
        ("all_alike", "all_aliek", UNCHANGED),  # The title of a row.
        ("models/reconstruction/none.gin", "models//reconstruction/none.gin", UNCHANGED),
        ("models/reconstruction/none.gin", "models/reconstruction/non.gin", REJECTED),
        ("latent", "latnet", REJECTED),  # Within a binding.
        ("av_shapes_4_joint/accuracy/order", "av_shapes_4_joint/accuracy/odrer", REJECTED),
    ],
)
def test_what_becomes_of_a_slip_in_a_sweep(text, wrong, outcome):
    with copied():
        bench = Bench(SWEEP)
        found = [slip for slip in bench.slips() if (slip.name.text, slip.wrong) == (text, wrong)]
        verdicts = [bench.try_out(slip) for slip in found]
    assert {each.outcome for each in verdicts} == {outcome}
    assert all(each.right for each in verdicts if outcome == REJECTED)


def test_what_a_sweep_says_in_words_and_numbers_is_no_name():
    with copied():
        texts = {slip.name.text for slip in Bench("ablations/chunks.gin").slips()}
    assert {"CHUNKS", "Stage", "av_shapes_8_parts", "chunks", "4"} <= texts
    assert not any("Each doubling" in text or "=" in text for text in texts)


def test_a_variant_that_changes_is_tried_out(monkeypatch):
    monkeypatch.setattr(task_names, "registered", task_names.shipped)
    with copied():
        bench = Bench("ablations/long_range.gin")
        (slip,) = (each for each in bench.slips() if each.wrong == "av_shapes_16_prats")
        verdict = bench.try_out(slip)
    assert (verdict.outcome, verdict.right) == (REJECTED, True)
    assert "no task or mixture 'av_shapes_16_prats'" in verdict.said


def verdict(outcome, right=False, file="a.gin"):
    return Verdict(Slip(file, Name(3, 0, "heads", False), "haeds", "swapped"), outcome, right, "no")


@pytest.mark.parametrize(
    ("verdicts", "passed"),
    [
        ([verdict(REJECTED, True)] * 19 + [verdict(REJECTED)], True),
        ([verdict(REJECTED, True)] * 18 + [verdict(REJECTED)], False),
        ([verdict(REJECTED, True)] * 99 + [verdict(ACCEPTED)], False),
        ([verdict(REJECTED, True)] * 99 + [verdict(CRASHED)], False),
        ([verdict(UNCHANGED)], True),
    ],
)
def test_a_report_passes_where_no_slip_does(verdicts, passed):
    assert Report(verdicts, {}).passed is passed


def test_a_report_counts_by_file_and_lists_what_went_wrong(tmp_path):
    verdicts = [verdict(REJECTED, True), verdict(ACCEPTED), verdict(REJECTED, file="b.gin")]
    Report(verdicts, {"seed": 0}).write(tmp_path)
    found = json.loads((tmp_path / "fuzz_gin.json").read_text())
    assert found["files"]["a.gin"] == counts(verdicts[:2])
    assert found["all"]["right name first"] == 0.5
    assert [each["file"] for each in found["wrong"]] == ["a.gin"]
    assert [each["file"] for each in found["another_name"]] == ["b.gin"]
    text = (tmp_path / "fuzz_gin.md").read_text()
    assert "| a.gin | 2 | 1 | 0 | 1 | 0 | 100.0% |" in text
    assert "- wrongly accepted: a.gin line 3: 'heads' as 'haeds'. no" in text


def test_processes_find_what_one_finds(monkeypatch, tmp_path):
    monkeypatch.setattr(task_names, "registered", task_names.shipped)
    file = "decoding/beam.gin"
    line = [f"--file={file}", "--sample=12", "--processes=2", f"--output={tmp_path}"]
    assert main(line) == 0
    found = json.loads((tmp_path / "fuzz_gin.json").read_text())
    assert found["files"] == {file: counts(fuzz([file], 12))}


def test_no_slip_of_a_sample_passes(monkeypatch):
    # What seqio knows besides is asked for in tests/data/test_task_names.py.
    monkeypatch.setattr(task_names, "registered", task_names.shipped)
    verdicts = fuzz(shipped_files(), SAMPLE)
    assert len(verdicts) == SAMPLE
    check(verdicts)


@pytest.mark.slow
def test_no_slip_passes():
    check(fuzz(shipped_files()))
