"""A table as Markdown, LaTeX and CSV.

Markdown and LaTeX show what people read. CSV is for programs: a line for each variant and metric,
full precision, empty where there is nothing.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from typing import Any

from mirasol.sweeps.reporting.outcomes import Outcome
from mirasol.sweeps.reporting.study import Study
from mirasol.sweeps.reporting.table import MINUS, Table

CSV_COLUMNS = (
    *("variant", "baseline", "metric", "planned", "n", "complete", "mean", "deviation"),
    *("difference", "low", "high", "interval_over", "paired_seeds", "paired_clips"),
    *("seconds", "step_bytes", "forward_flops", "backward_flops", "parameters", "not_done"),
)
# One pass over the text, so that what an escape brings in is not escaped again.
_LATEX = {
    **{letter: f"\\{letter}" for letter in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "''",
    "[": "{[}",  # After a line break it would begin an argument of that.
    "±": r"$\pm$",
    MINUS: r"$-$",
    "–": "--",
}
_MARKDOWN = re.compile(r"([\\`*_\[\]<>|])")


def markdown(table: Table) -> str:
    """Returns the table for a page of Markdown."""
    header = "| " + " | ".join(map(markdown_text, table.header)) + " |"
    rule = "|" + " --- |" * 2 + " ---: |" * (len(table.header) - 2)
    rows = [
        "| " + " | ".join(markdown_text(cell.text) for cell in row) + " |" for row in table.rows
    ]
    notes = [f"- {markdown_text(note)}" for note in table.notes]
    return "\n".join([header, rule, *rows, "", *notes, ""])


def latex(table: Table) -> str:
    """Returns a tabular that needs the package booktabs."""
    columns = "ll" + "r" * (len(table.header) - 2)
    rows = [[cell.text for cell in row] for row in table.rows]
    return "\n".join(
        [
            r"% \usepackage{booktabs}",
            rf"\begin{{tabular}}{{{columns}}}",
            r"\toprule",
            _latex_row(table.header),
            r"\midrule",
            *map(_latex_row, rows),
            r"\bottomrule",
            r"\end{tabular}",
            *[f"% {_one_line(note)}" for note in table.notes],
            "",
        ]
    )


def csv_text(study: Study, found: Sequence[Outcome]) -> str:
    """Returns a line for each variant and metric, the names of the columns first."""
    file = io.StringIO()
    writer = csv.DictWriter(file, CSV_COLUMNS, lineterminator="\n")
    writer.writeheader()
    for outcome in found:
        writer.writerows(_csv_row(study, outcome, metric) for metric in study.metrics)
    return file.getvalue()


def latex_text(text: str) -> str:
    """Returns a text in which no letter means anything to LaTeX."""
    return "".join(_LATEX.get(letter, letter) for letter in _one_line(text))


def markdown_text(text: str) -> str:
    """Returns a text in which no letter means anything to Markdown."""
    return _MARKDOWN.sub(r"\\\1", _one_line(text))


def _latex_row(cells: Sequence[str]) -> str:
    return " & ".join(map(latex_text, cells)) + r" \\"


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _csv_row(study: Study, outcome: Outcome, metric: str) -> dict[str, Any]:
    score, found = outcome.scores[metric], outcome.differences[metric]
    row: dict[str, Any] = {
        "variant": outcome.variant.name,
        "baseline": study.baseline.name,
        "metric": metric,
        "planned": outcome.planned,
        "n": score.n,
        "complete": "no" if outcome.lacks(metric) else "yes",
        "mean": score.mean,
        "deviation": score.deviation,
        "seconds": outcome.seconds,
        "not_done": "; ".join(_not_done(outcome)),
    }
    if found is not None:
        row |= {
            "difference": found.value,
            "low": found.low,
            "high": found.high,
            "interval_over": found.over,
            "paired_seeds": found.seeds,
            "paired_clips": found.clips,
        }
    return row | ({} if outcome.cost is None else vars(outcome.cost))


def _not_done(outcome: Outcome) -> Iterator[str]:
    for trial in outcome.variant.trials:
        if not trial.done:
            yield f"seed {trial.seed} {trial.state}: {trial.reason}"
