"""Scores as a table: each type of question beside chance and beside the bag oracle."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

HEADER = ("type", "accuracy", "95 % interval", "chance", "bag oracle", "questions", "above oracle")
OVERALL = "all"
ABSENT = "-"
# What the table and the last line of a report hold already.
_TOLD = {
    *("accuracy", "ci95_low", "ci95_high", "num", "chance", "bag_oracle"),
    *("num_examples", "step", "num_total", "num_missing", "num_broken", "num_bad_rows"),
}


@dataclasses.dataclass(frozen=True)
class TypeScore:
    """One line of the table; levels are None where the annotation carries none."""

    name: str
    accuracy: float
    low: float
    high: float
    questions: int
    chance: float | None
    bag_oracle: float | None

    @property
    def verdict(self) -> str:
        """Says "yes" only where the whole interval lies above the bag oracle."""
        if self.bag_oracle is None:
            return ABSENT
        return "yes" if self.low > self.bag_oracle else "no"

    def cells(self) -> tuple[str, ...]:
        """Returns the line's text, in the order of HEADER."""
        return (
            self.name,
            f"{self.accuracy:.3f}",
            f"[{self.low:.3f}, {self.high:.3f}]",
            _level(self.chance),
            _level(self.bag_oracle),
            str(self.questions),
            self.verdict,
        )


def type_scores(metrics: Mapping[str, float]) -> list[TypeScore]:
    """Reads the flat metrics of `exact_match_by_type`: a line a type, then all of them.

    Raises:
      ValueError: the metrics have no `accuracy`.
    """
    if "accuracy" not in metrics:
        raise ValueError(
            f"no 'accuracy' among the metrics {sorted(metrics)}: this table shows exact match"
        )
    names = [name.removeprefix("accuracy/") for name in metrics if name.startswith("accuracy/")]
    lines = [_type_score(metrics, name, suffix=f"/{name}") for name in names]
    return [*lines, _type_score(metrics, OVERALL, suffix="")]


def text_table(metrics: Mapping[str, float]) -> str:
    """Returns the table for a terminal: columns aligned, the first to the left."""
    lines = [HEADER, *(score.cells() for score in type_scores(metrics))]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADER))]
    rule = "-" * (sum(widths) + 2 * (len(widths) - 1))
    text = [_aligned(line, widths) for line in lines]
    types = [*text[1:-1], rule] if text[1:-1] else []
    return "\n".join([text[0], rule, *types, text[-1]])


def text_report(metrics: Mapping[str, float]) -> str:
    """Returns all that a terminal is to show of a task: the table, other scores, what was asked.

    Scores per type that the table does not hold (WUPS) stand in the json file alone.
    """
    parts = [text_table(metrics)] if "accuracy" in metrics else []
    others = [
        f"{name:<20}{value:.4g}"
        for name, value in metrics.items()
        if "/" not in name and name not in _TOLD
    ]
    return "\n".join([*parts, *others, *_asked(metrics)])


def _asked(metrics: Mapping[str, float]) -> list[str]:
    """Returns a line on the questions that were not asked; none where it is known of none."""
    asked, broken = metrics.get("num_examples", 0), metrics.get("num_broken", 0)
    why = [f"{broken:g} have media that cannot be decoded"] if broken else []
    if "num_total" in metrics:
        why.insert(0, f"{metrics['num_missing']:g} have no media file")
        why.append(f"{metrics['num_bad_rows']:g} rows cannot be used")
    if not why:
        return []
    total = metrics.get("num_total", asked + broken)
    return [f"evaluated {asked:g} of {total:g} questions: {', '.join(why)}"]


def markdown_table(metrics: Mapping[str, float]) -> str:
    """Returns the same table in Markdown."""
    rule = "|".join(["---", *["---:"] * (len(HEADER) - 1)])
    lines = [" | ".join(score.cells()) for score in type_scores(metrics)]
    return "\n".join([f"| {' | '.join(HEADER)} |", f"|{rule}|", *(f"| {line} |" for line in lines)])


def _type_score(metrics: Mapping[str, float], name: str, *, suffix: str) -> TypeScore:
    return TypeScore(
        name=name,
        accuracy=metrics[f"accuracy{suffix}"],
        low=metrics[f"ci95_low{suffix}"],
        high=metrics[f"ci95_high{suffix}"],
        questions=int(metrics[f"num{suffix}"]),
        chance=metrics.get(f"chance{suffix}"),
        bag_oracle=metrics.get(f"bag_oracle{suffix}"),
    )


def _level(value: float | None) -> str:
    return ABSENT if value is None else f"{value:.3f}"


def _aligned(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = zip(cells, widths, strict=True)
    return "  ".join([first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)])
