from __future__ import annotations

import pytest

from mirasol.evaluation.table import markdown_table, text_report, text_table

METRICS = {
    "accuracy": 0.9,
    "ci95_low": 0.88,
    "ci95_high": 0.925,
    "num": 300.0,
    "chance": 0.3,
    "bag_oracle": 0.57,
    "accuracy/order": 0.62,
    "ci95_low/order": 0.58,
    "ci95_high/order": 0.66,
    "num/order": 100.0,
    "chance/order": 0.31,
    "bag_oracle/order": 0.6,
    "accuracy/sight": 0.99,
    "ci95_low/sight": 0.98,
    "ci95_high/sight": 1.0,
    "num/sight": 200.0,
    "num_examples": 300,
    "step": 4000,
}

TEXT = """\
type   accuracy   95 % interval  chance  bag oracle  questions  above oracle
----------------------------------------------------------------------------
order     0.620  [0.580, 0.660]   0.310       0.600        100            no
sight     0.990  [0.980, 1.000]       -           -        200             -
----------------------------------------------------------------------------
all       0.900  [0.880, 0.925]   0.300       0.570        300           yes"""

MARKDOWN = """\
| type | accuracy | 95 % interval | chance | bag oracle | questions | above oracle |
|---|---:|---:|---:|---:|---:|---:|
| order | 0.620 | [0.580, 0.660] | 0.310 | 0.600 | 100 | no |
| sight | 0.990 | [0.980, 1.000] | - | - | 200 | - |
| all | 0.900 | [0.880, 0.925] | 0.300 | 0.570 | 300 | yes |"""


def test_text_table():
    assert text_table(METRICS) == TEXT


def test_markdown_table():
    assert markdown_table(METRICS) == MARKDOWN


def test_a_set_without_types_has_one_line():
    overall = {name: value for name, value in METRICS.items() if "/" not in name}
    header, rule, line = text_table(overall).splitlines()
    assert line.split()[:2] == ["all", "0.900"]
    assert len(header) == len(rule) == len(line)


def test_metrics_without_accuracy_are_refused():
    with pytest.raises(ValueError, match="wups"):
        text_table({"wups": 0.3})


def test_a_report_says_what_was_asked_and_what_the_table_lacks():
    metrics = {**METRICS, "wups_0": 0.25, "wups_0/C": 0.5, "num_examples": 6.0, "step": 70.0}
    assert text_report(metrics) == f"{TEXT}\nwups_0              0.25"
    counts = {"num_total": 9.0, "num_missing": 2.0, "num_bad_rows": 1.0}
    assert text_report(metrics | counts).splitlines()[-1] == (
        "evaluated 6 of 9 questions: 2 have no media file, 1 rows cannot be used"
    )
    counts |= {"num_total": 12.0, "num_broken": 3.0}
    assert text_report(metrics | counts).splitlines()[-1] == (
        "evaluated 6 of 12 questions: 2 have no media file, 3 have media that cannot be decoded, "
        "1 rows cannot be used"
    )
    assert text_report(metrics | {"num_broken": 3.0}).splitlines()[-1] == (
        "evaluated 6 of 9 questions: 3 have media that cannot be decoded"
    )
    assert text_report(metrics | {"num_broken": 0.0}) == text_report(metrics)


def test_a_report_without_accuracy_has_no_table():
    assert text_report({"wups_0": 0.25, "num": 4.0}) == "wups_0              0.25"
