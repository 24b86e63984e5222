from __future__ import annotations

import csv
import dataclasses
import io

import pytest

from mirasol.sweeps.reporting.formats import (
    CSV_COLUMNS,
    csv_text,
    latex,
    latex_text,
    markdown,
    markdown_text,
)
from mirasol.sweeps.reporting.outcomes import outcomes
from mirasol.sweeps.reporting.reading import of_sweep
from mirasol.sweeps.reporting.table import duration, table
from tests.sweeps.reporting import made_up

ROWS = made_up.synthetic_rows()
FATES = {
    "mean-&-no-queries-0": {"state": "failed", "reason": 'a "quoted", odd\nreason'},
    "without-sound-2": {"state": "pending", "attempts": 0},
}


@pytest.fixture
def study(tmp_path):
    return of_sweep(made_up.write_synthetic(tmp_path / "combiner", ROWS, FATES))


def test_csv_is_read_back_as_it_was(study, cost):
    found = outcomes(study, cost)
    rows = list(csv.DictReader(io.StringIO(csv_text(study, found))))
    assert list(rows[0]) == list(CSV_COLUMNS)
    assert len(rows) == len(found) * len(study.metrics)
    first = {row["variant"]: row for row in rows if row["metric"] == made_up.METRIC}
    for outcome in found:
        row, score = first[outcome.variant.name], outcome.scores[made_up.METRIC]
        assert float(row["mean"]) == score.mean
        assert float(row["deviation"]) == score.deviation
        assert (int(row["n"]), int(row["planned"])) == (score.n, 3)
        assert row["complete"] == ("no" if score.n < 3 else "yes")
        assert int(row["parameters"]) == outcome.cost.parameters
    difference = found[2].differences[made_up.METRIC]
    row = first["mean & no queries"]
    assert [float(row[name]) for name in ("difference", "low", "high")] == [
        difference.value,
        difference.low,
        difference.high,
    ]
    assert row["not_done"].startswith('seed 0 failed: a "quoted", odd\nreason')
    assert first["transformer"]["difference"] == ""


def test_latex_has_as_many_cells_as_columns_and_nothing_left_to_mean(study, cost):
    text = latex(table(study, outcomes(study, cost)))
    columns = text.split("{tabular}{")[1].partition("}")[0]
    body = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert len(body) == 5
    for line in body:
        assert len(line.replace(r"\&", "").split(" & ")) == len(columns)
    assert r"mean \& no queries" in text
    cells = "".join(body)
    assert r"$\pm$" in cells
    assert "$-$0." in cells
    assert cells.isascii()
    lines = text[text.index(r"\bottomrule") :].splitlines()
    assert all(line.startswith(("%", r"\bottomrule", r"\end")) for line in lines)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a_b & 5 % of $3 #1 {x}", r"a\_b \& 5 \% of \$3 \#1 \{x\}"),
        ("~ ^ \\", r"\textasciitilde{} \textasciicircum{} \textbackslash{}"),
        ("<a|b>", r"\textless{}a\textbar{}b\textgreater{}"),
        # In brackets, a row's first cell would be an argument of the line break before it.
        ("[a]", "{[}a]"),
        ("two\nlines", "two lines"),
    ],
)
def test_latex_escapes(text, expected):
    assert latex_text(text) == expected


def test_markdown_is_a_table_whatever_stands_in_it(study, cost):
    odd = dataclasses.replace(study.variants[1], name="a|b*c_d`e<f")
    odd_study = dataclasses.replace(study, variants=(study.variants[0], odd))
    shown = table(odd_study, outcomes(odd_study, cost))
    lines = markdown(shown).splitlines()
    assert lines[3].startswith(r"| a\|b\*c\_d\`e\<f | 3 of 3 |")
    assert {line.replace(r"\|", "").count("|") for line in lines[:4]} == {len(shown.header) + 1}
    assert markdown_text("a\nb") == "a b"


def test_marks_reach_every_format(study, cost):
    shown = table(study, outcomes(study, cost))
    assert "| 2 of 3 \\* |" in markdown(shown)
    assert "& 2 of 3 * &" in latex(shown)
    assert "- without sound, seed 2: pending (not begun)" in markdown(shown)


def test_durations_have_two_units():
    assert [duration(s) for s in (7.2, 61, 3600, 90061)] == [
        "7 s",
        "1 min 01 s",
        "1 h 00 min",
        "25 h 01 min",
    ]
