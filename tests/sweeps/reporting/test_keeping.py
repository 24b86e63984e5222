"""Results that are kept say what the sweep's own folder says, and nothing of the machine."""

from __future__ import annotations

import dataclasses
import errno
import gzip
import platform

import pytest

from mirasol.sweeps import locks, records
from mirasol.sweeps.reporting import workdir_files
from mirasol.sweeps.reporting.keeping import keep
from mirasol.sweeps.reporting.reading import of_sweep
from mirasol.sweeps.reporting.study import CUT_OFF
from mirasol.sweeps.reporting.writing import Extent, write
from tests.sweeps.reporting import made_up


def report(folder, output, cost, **extent):
    write(of_sweep(folder), output, extent=Extent(**extent), cost=cost)
    return {path.name: path.read_text("utf-8") for path in output.iterdir()}


def test_what_is_kept_gives_the_same_report(synthetic, tmp_path, cost):
    keep(synthetic, tmp_path / "kept")
    ours = report(synthetic, tmp_path / "ours", cost, clips=0)
    theirs = report(tmp_path / "kept", tmp_path / "theirs", cost, clips=0)
    assert ours.keys() == theirs.keys()
    for name in ours.keys() - {"report.html"}:
        assert ours[name] == theirs[name], name
    assert theirs["report.html"] == ours["report.html"].replace(f"{made_up.HOST}: ", "")


def test_clips_are_found_in_the_data_folder_of_whoever_reads(real, tmp_path, cost, monkeypatch):
    keep(real, tmp_path / "kept")
    for path in (tmp_path / "kept").rglob("*.gz"):
        assert '"media": "av_shapes_tiny/videos/' in gzip.decompress(path.read_bytes()).decode()
    monkeypatch.setenv("MIRASOL_DATA", str(real.parent / "data"))
    page = report(tmp_path / "kept", tmp_path / "out", cost, clips=2)["report.html"]
    assert page.count("data:image/png") >= 2


def test_nothing_of_machine_and_people_is_kept(tmp_path):
    last = 'OSError: no memory/space: "/home/somebody/x.mp4"'
    error = f'File "/home/somebody/a.py", line 1\n{last}'
    reason = "could not be started: ~/somebody/bin/python"
    fates = {"transformer-0": {"state": "failed", "reason": reason, "error": error}}
    sweep = made_up.write_synthetic(tmp_path / "combiner", made_up.synthetic_rows(), fates)
    keep(sweep, tmp_path / "kept")
    files = [path for path in (tmp_path / "kept").rglob("*") if path.is_file()]
    assert {path.name for path in files} == {
        "sweep.json",
        "trial.json",
        "metrics.jsonl",
        "provenance.json",
        f"{made_up.TASK}-{made_up.SPLIT}-predictions.jsonl.gz",
    }
    for path in files:
        content = path.read_bytes()
        text = (gzip.decompress(content) if path.suffix == ".gz" else content).decode()
        for word in (made_up.HOST, "somebody", "/data/"):
            assert word not in text, path
    start = workdir_files.last_start(tmp_path / "kept/trials/transformer-0/workdir")
    assert start["warm_start"] == {"step": 7, "checksum": "sha256:ab"}
    failed = records.read_trial(records.trial_folder(tmp_path / "kept", "transformer-0"))
    assert failed.error == 'OSError: no memory/space: "x.mp4"'
    assert failed.reason == "could not be started: python"


def test_trials_that_failed_or_never_began_stay_so(tmp_path):
    fates = {
        "transformer-0": {"state": "failed", "reason": "no final metric"},
        "transformer-1": {"state": "pending", "attempts": 0},
    }
    sweep = made_up.write_synthetic(tmp_path / "combiner", made_up.synthetic_rows(), fates)
    keep(sweep, tmp_path / "kept")
    failed, unbegun = of_sweep(tmp_path / "kept").variants[0].trials[:2]
    assert (failed.state, failed.reason) == ("failed", "no final metric")
    assert (unbegun.state, unbegun.reason) == ("pending", "not begun")


def test_nothing_is_kept_while_a_trial_is_at_work(synthetic, tmp_path):
    inside = records.trial_folder(synthetic, "transformer-0")
    of_now = {"state": "running", "host": platform.node()}
    record = dataclasses.replace(records.read_trial(inside), **of_now)
    records.write_trial(inside, record)
    with locks.held(inside), pytest.raises(ValueError, match="is running; keep the results when"):
        keep(synthetic, tmp_path / "kept")
    keep(synthetic, tmp_path / "kept")  # Cut off, and told so from the copy as from the sweep.
    for folder in (synthetic, tmp_path / "kept"):
        assert of_sweep(folder).variants[0].trials[0].state == CUT_OFF


def test_a_trial_of_another_machine_may_be_at_work_there(synthetic, tmp_path):
    inside = records.trial_folder(synthetic, "transformer-0")
    record = dataclasses.replace(records.read_trial(inside), state="running", host="another")
    records.write_trial(inside, record)
    with pytest.raises(ValueError, match="running on another, or was cut off there"):
        keep(synthetic, tmp_path / "kept")


def test_keeping_again_takes_away_what_is_no_longer_planned(synthetic, tmp_path):
    keep(synthetic, tmp_path / "kept")
    trials = [made_up.record("transformer", seed) for seed in made_up.SEEDS]
    made_up.write_sweep(synthetic, trials)
    keep(synthetic, tmp_path / "kept")
    assert {path.name for path in (tmp_path / "kept/trials").iterdir()} == {
        each.id for each in trials
    }


def test_nothing_but_kept_results_is_replaced(synthetic, tmp_path):
    foreign = tmp_path / "foreign"
    (foreign / "trials").mkdir(parents=True)
    for folder, named in ((synthetic, "code"), (foreign, "trials")):
        with pytest.raises(ValueError, match=f"holds '{named}' and so more than kept results"):
            keep(synthetic, folder)
    assert len(records.all_trials(synthetic)) == 12
    assert (foreign / "trials").is_dir()


def test_what_is_kept_is_not_kept_again(synthetic, tmp_path):
    kept = tmp_path / "kept"
    keep(synthetic, kept)
    for folder in (kept, tmp_path / "other"):
        with pytest.raises(ValueError, match="kept already; copy the folder as it is"):
            keep(kept, folder)
    assert len(records.all_trials(kept)) == 12


def test_a_copy_that_fails_leaves_the_one_before(synthetic, tmp_path):
    kept = tmp_path / "kept"
    keep(synthetic, kept)
    trial = records.trial_folder(synthetic, "without-sound-2")
    (trial / "workdir/eval" / f"{made_up.TASK}-{made_up.SPLIT}-predictions.jsonl").write_text("{\n")
    with pytest.raises(ValueError, match="Expecting"):
        keep(synthetic, kept)
    assert {path.name for path in kept.iterdir()} == {"sweep.json", "trials"}
    (kept / ".trials.new").mkdir()  # As a copy leaves that was killed.
    with pytest.raises(ValueError, match="Expecting"):
        keep(synthetic, kept)
    assert len(of_sweep(kept).not_done) == 0


def test_a_first_copy_that_was_killed_is_made_again(synthetic, tmp_path):
    kept = tmp_path / "kept"
    (kept / ".trials.new" / "half").mkdir(parents=True)
    keep(synthetic, kept)
    assert {path.name for path in kept.iterdir()} == {"sweep.json", "trials"}


def test_a_disk_that_is_full_leaves_nothing_in_the_way(synthetic, tmp_path, monkeypatch):
    kept = tmp_path / "kept"

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(records, "write_sweep", full)
        with pytest.raises(OSError, match="No space"):
            keep(synthetic, kept)
    keep(synthetic, kept)
    assert len(of_sweep(kept).variants[0].done) == 3


def test_a_copy_that_was_killed_does_not_stand_in_the_way(synthetic, tmp_path):
    kept = tmp_path / "kept"
    keep(synthetic, kept)
    (kept / "trials").rename(kept / ".trials.before")
    (kept / ".trials.new" / "half").mkdir(parents=True)
    keep(synthetic, kept)
    assert {path.name for path in kept.iterdir()} == {"sweep.json", "trials"}
    assert len(of_sweep(kept).variants[0].done) == 3
