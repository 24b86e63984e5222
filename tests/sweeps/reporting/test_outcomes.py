"""From the files of a sweep to rows: pairing, and trials that are missing or failed."""

from __future__ import annotations

import dataclasses
import gzip
import json
import platform

import numpy as np
import pytest

from mirasol.sweeps import locks, records
from mirasol.sweeps.reporting.outcomes import outcomes
from mirasol.sweeps.reporting.page import Page, render
from mirasol.sweeps.reporting.reading import of_sweep, of_workdirs
from mirasol.sweeps.reporting.table import table
from tests.sweeps.reporting import made_up

ROWS = made_up.synthetic_rows()
FAILED = "token-Turing-machine-1"
FATES = {
    FAILED: {"state": "failed", "exit_code": 1, "reason": "no final metric", "error": "a\nBoom"},
    "mean-&-no-queries-0": {"state": "pending", "attempts": 0},
    "mean-&-no-queries-1": {"state": "stopped", "reason": "below the median"},
    "mean-&-no-queries-2": {"state": "running"},
}


@pytest.fixture
def of_two_axes(tmp_path):
    labelled = [("8 tokens", "yes"), ("8 tokens", "no"), ("32", "yes")]
    trials = [
        made_up.record(made_up.METRIC, 0, id=str(n), labels={"memory": m, "stamps": s})
        for n, (m, s) in enumerate(labelled)
    ]
    folder = tmp_path / "two axes"
    made_up.write_sweep(folder, trials, baseline=trials[0].labels, axes=[])
    return folder


def found_in(folder, **options):
    study = of_sweep(folder, **options)
    return study, {row.variant.name: row for row in outcomes(study, lambda _: None)}


def right(variant, seed, kind=None):
    """Returns rightness of each question, and which clip it is about."""
    share = made_up.VARIANTS[variant][1]
    rows = [r for r in made_up.answered(ROWS, share, seed) if kind in (None, r["type"])]
    return np.array([r["prediction"] == r["answer"] for r in rows]), [r["media"] for r in rows]


@pytest.fixture
def broken(tmp_path):
    return made_up.write_synthetic(tmp_path / "combiner", ROWS, FATES)


def trial_workdir(folder, trial):
    return records.trial_folder(folder, trial) / "workdir"


def test_scores_and_differences_are_those_of_the_answers(synthetic):
    study, rows = found_in(synthetic)
    assert study.baseline.name == "transformer"
    for name in made_up.VARIANTS:
        each = [right(name, seed)[0].mean() for seed in made_up.SEEDS]
        assert rows[name].scores[made_up.METRIC].mean == pytest.approx(np.mean(each), abs=1e-12)
        deviation = rows[name].scores[made_up.METRIC].deviation
        assert deviation == pytest.approx(np.std(each, ddof=1), abs=1e-12)
    assert rows["transformer"].differences[made_up.METRIC] is None
    for metric, kind in ((made_up.METRIC, None), (f"{made_up.METRIC}/order", "order")):
        found = rows["without sound"].differences[metric]
        pairs = [
            (right("without sound", s, kind)[0], right("transformer", s, kind)[0])
            for s in (0, 1, 2)
        ]
        expected = np.mean([a.mean() - b.mean() for a, b in pairs])
        assert found.value == pytest.approx(expected, abs=1e-12)
        assert (found.over, found.seeds, found.clips) == ("clips and seeds", 3, 12)
        assert found.low < found.value < found.high


def test_the_paired_interval_is_that_of_the_clips(synthetic):
    _, rows = found_in(synthetic)
    media = right("transformer", 0)[1]
    clips = list(dict.fromkeys(media))
    delta = [right("without sound", s)[0] * 1 - right("transformer", s)[0] * 1 for s in (0, 1, 2)]
    cells = np.array(
        [
            [sum(d for d, m in zip(each, media, strict=True) if m == c) for c in clips]
            for each in delta
        ]
    )
    asked = np.array([media.count(c) for c in clips])
    generator = np.random.default_rng(3)
    values = []
    for _ in range(4000):
        s, c = generator.integers(3, size=3), generator.integers(12, size=12)
        values.append(cells[np.ix_(s, c)].sum() / (3 * asked[c].sum()))
    low, high = np.quantile(values, (0.025, 0.975))
    found = rows["without sound"].differences[made_up.METRIC]
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.08 * (high - low))


def test_a_failed_trial_is_not_averaged_though_its_scores_are_there(broken):
    study, rows = found_in(broken)
    assert (trial_workdir(broken, FAILED) / "metrics.jsonl").is_file()
    found = rows["token Turing machine"]
    kept = [right("token Turing machine", seed)[0].mean() for seed in (0, 2)]
    assert found.scores[made_up.METRIC].mean == pytest.approx(np.mean(kept), abs=1e-12)
    assert (found.scores[made_up.METRIC].n, found.planned) == (2, 3)
    assert found.lacks(made_up.METRIC)
    assert found.differences[made_up.METRIC].seeds == 2
    shown = table(study, list(rows.values()))
    row = dict(zip(shown.header, shown.rows[1], strict=True))
    for column in ("n", "accuracy", "accuracy, difference", "time"):
        assert "2 of 3" in row[column].text
        assert row[column].text.endswith("*")
        assert row[column].lacking
    assert shown.lost[0] == (
        "token Turing machine, seed 1: failed (no final metric; exit code 1; Boom)"
    )


def test_a_variant_without_a_done_trial_says_what_became_of_them(broken):
    study, rows = found_in(broken)
    shown = table(study, list(rows.values()))
    row = dict(zip(shown.header, shown.rows[2], strict=True))
    assert row["n"].text == "0 of 3 *"
    assert row["accuracy"].text == "1 pending, 1 stopped, 1 running"
    assert row["accuracy, difference"].text == "no pair"
    assert "mean & no queries, seed 1: stopped (below the median)" in shown.lost
    assert len(shown.lost) == 4


def test_what_was_cut_off_is_told_from_what_runs(broken):
    folder = records.trial_folder(broken, "mean-&-no-queries-2")
    here = dataclasses.replace(records.read_trial(folder), host=platform.node())
    records.write_trial(folder, here)
    said = "mean & no queries, seed 2: cut off (the sweep's command goes on with it)"
    study, rows = found_in(broken)
    shown = table(study, list(rows.values()))
    assert said in shown.lost
    assert "1 pending, 1 stopped, 1 cut off" in [cell.text for cell in shown.rows[2]]
    with locks.held(folder):
        study, rows = found_in(broken)
    assert said not in table(study, list(rows.values())).lost


def test_a_time_with_a_lost_attempt_is_not_averaged(synthetic):
    folder = records.trial_folder(synthetic, "transformer-1")
    whole = records.read_trial(folder)
    lost = dataclasses.replace(whole, seconds=0.5, seconds_incomplete=True)
    records.write_trial(folder, lost)
    study, rows = found_in(synthetic)
    shown = table(study, list(rows.values()))
    time = dict(zip(shown.header, shown.rows[0], strict=True))["time"]
    assert time.text.endswith("(2 of 3) *")
    assert shown.lost == ("transformer, seed 1: done, without the time of all its attempts",)
    kept = [records.read_trial(folder.with_name(f"transformer-{n}")).seconds for n in (0, 2)]
    assert rows["transformer"].seconds == pytest.approx(np.mean(kept))


def test_a_done_trial_without_its_final_score_counts_as_lacking(synthetic):
    metrics = trial_workdir(synthetic, "without-sound-0") / "metrics.jsonl"
    lines = metrics.read_text().splitlines(keepends=True)
    metrics.write_text("".join(line for line in lines if '"step": 20, "split": "val' not in line))
    study, rows = found_in(synthetic)
    assert rows["without sound"].scores[made_up.METRIC].n == 2
    assert rows["without sound"].lacks(made_up.METRIC)
    shown = table(study, list(rows.values()))
    assert shown.lost == ("without sound, seed 0: done, without accuracy, accuracy/order",)
    page = render(Page(study, shown, [], []))
    assert f"<li>{shown.lost[0]}</li>" in page


def test_what_is_known_of_trials_that_never_began_and_of_stale_ones(synthetic):
    def change(trial, **changes):
        folder = records.trial_folder(synthetic, trial)
        records.write_trial(folder, dataclasses.replace(records.read_trial(folder), **changes))

    change("transformer-0", state="pending", attempts=0, host=None, device=None)
    change("without-sound-2", stale_files=["mirasol/a.py"])
    study, rows = found_in(synthetic)
    shown = table(study, list(rows.values()))
    assert shown.lost == ("transformer, seed 0: pending (not begun)",)
    assert study.facts["Machine"] == f"{made_up.HOST}: cpu: eager, float32"
    stale = "With source files other than those of the last submit: without sound, seed 2."
    assert stale in shown.reading


def test_wall_time_is_of_the_trials_that_this_sweep_trained(tmp_path):
    day = "2026-11-23T"
    at_work = {
        f"transformer-{seed}": {
            "started": f"{day}10:0{seed}:00+00:00",
            "ended": f"{day}10:3{seed}:30+00:00",
            "seconds": 1800.0,
        }
        for seed in made_up.SEEDS
    }
    others = [name for name in made_up.VARIANTS if name != "transformer"]
    taken = {
        made_up.record(name, seed).id: {
            "started": f"{day}01:00:00+00:00",
            "ended": f"{day}01:30:00+00:00",
            "taken_from": "audio",
        }
        for name in others
        for seed in made_up.SEEDS
    }
    folder = made_up.write_synthetic(tmp_path / "combiner", ROWS, {**at_work, **taken})
    facts = found_in(folder)[0].facts
    assert facts["Wall time"] == (
        "32 min 30 s from the first start (2026-11-23 10:00 UTC) to the last end, pauses included; "
        "3 trials of 1 h 30 min in sum"
    )
    assert facts["Of other sweeps"] == "9 trials of audio"
    at_work["transformer-1"]["seconds_incomplete"] = True
    folder = made_up.write_synthetic(tmp_path / "cut_off", ROWS, {**at_work, **taken})
    said = found_in(folder)[0].facts["Wall time"]
    assert said.endswith("3 trials of at least 1 h 30 min in sum")
    running = {**at_work, "transformer-1": {"started": f"{day}10:00:00+00:00", "state": "running"}}
    folder = made_up.write_synthetic(tmp_path / "again", ROWS, {**running, **taken})
    assert "Wall time" not in found_in(folder)[0].facts


def test_answers_of_another_evaluation_are_not_paired(synthetic):
    path = (
        trial_workdir(synthetic, "without-sound-1")
        / "eval"
        / (f"{made_up.TASK}-{made_up.SPLIT}-predictions.jsonl")
    )
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps({**row, "prediction": "no"}) + "\n" for row in rows))
    _, found = found_in(synthetic)
    difference = found["without sound"].differences[made_up.METRIC]
    assert (difference.over, difference.clips) == ("seeds", 0)
    assert difference.remark == "the answers that are kept are not those of the score"


def test_other_questions_are_not_paired(synthetic):
    name = f"{made_up.TASK}-{made_up.SPLIT}-predictions.jsonl"
    path = trial_workdir(synthetic, "without-sound-1") / "eval" / name
    path.write_text(path.read_text().replace('"id": "3-1"', '"id": "3-x"'))
    _, found = found_in(synthetic)
    difference = found["without sound"].differences[made_up.METRIC]
    assert difference.remark == "not all were asked the same questions"


def test_answers_may_be_packed_and_the_data_elsewhere(synthetic):
    expected = found_in(synthetic)[1]["without sound"].differences
    name = f"{made_up.TASK}-{made_up.SPLIT}-predictions.jsonl"
    path = trial_workdir(synthetic, "without-sound-1") / "eval" / name
    text = path.read_text().replace("/data/made_up", "/elsewhere/made_up")
    path.with_name(f"{name}.gz").write_bytes(gzip.compress(text.encode()))
    path.unlink()
    assert found_in(synthetic)[1]["without sound"].differences == expected


@pytest.mark.parametrize("asked", ["stamps=no memory=8 tokens", "memory=8 tokens stamps=no", "no"])
def test_a_baseline_of_several_axes_is_named_in_any_order_or_by_a_label(of_two_axes, asked):
    study = of_sweep(of_two_axes, baseline=asked)
    assert study.baseline.name == "memory=8 tokens stamps=no"


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("8 tokens", "a label of several variants, 'memory=8 tokens stamps=yes', 'memory=8"),
        ("tokens", "none of the variants"),
    ],
)
def test_a_baseline_that_is_none_or_several_is_told(of_two_axes, asked, said):
    with pytest.raises(ValueError, match=f"the baseline '{asked}' is {said}"):
        of_sweep(of_two_axes, baseline=asked)


def test_another_metric_and_baseline_can_be_asked_for(synthetic):
    study, rows = found_in(synthetic, metrics=[f"{made_up.METRIC}/sight"], baseline="without sound")
    assert next(iter(rows)) == study.baseline.name == "without sound"
    assert rows["transformer"].differences[f"{made_up.METRIC}/sight"].value > 0
    with pytest.raises(ValueError, match="did you mean 'without sound'"):
        of_sweep(synthetic, baseline="without sounds")


def test_a_metric_that_no_trial_has_is_refused(synthetic):
    metric = made_up.METRIC.replace("accuracy", "acuracy")
    with pytest.raises(ValueError, match=f"none of the runs has it .* '{made_up.METRIC}'"):
        of_sweep(synthetic, metrics=[made_up.METRIC, metric])


def test_workdirs_with_names_are_a_study(tmp_path):
    for name, seed in (("a", 0), ("b", 1), ("c", 0)):
        made_up.write_workdir(tmp_path / name, made_up.answered(ROWS, 0.8, seed), seed=seed)
    (tmp_path / "d").mkdir()
    runs = [("base", tmp_path / "a"), ("base", tmp_path / "b"), ("other", tmp_path / "c")]
    study = of_workdirs([*runs, ("other", tmp_path / "d")])
    assert study.metrics == (made_up.METRIC,)
    assert [[t.seed for t in v.trials] for v in study.variants] == [[0, 1], [0, None]]
    assert [t.state for t in study.variants[1].trials] == ["done", "missing"]
    with pytest.raises(ValueError, match="several trials with seed 0"):
        of_workdirs([("base", tmp_path / "a"), ("base", tmp_path / "c")])
    with pytest.raises(ValueError, match="none of the runs has been evaluated"):
        of_workdirs([("base", tmp_path / "d")])
