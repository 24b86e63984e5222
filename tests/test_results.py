"""The tables of docs/results are what the stored metrics and answers give."""

from __future__ import annotations

import csv
import statistics
from pathlib import Path

import pytest

from mirasol.sweeps import records
from mirasol.sweeps.reporting.reading import of_sweep
from mirasol.sweeps.reporting.writing import Extent, write

FOLDER = Path(__file__).parents[1] / "docs" / "results"
PAGE = FOLDER / "README.md"
RESULTS = sorted(path.parent for path in FOLDER.glob(f"*/{records.SWEEP}"))


# What the code of the day computes from the configurations, and not from what is stored; the last
# three columns of the table for people.
COSTS = {"step_bytes", "forward_flops", "backward_flops", "parameters"}


def rows(path: Path) -> list[dict[str, float | str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return [
            {name: number(text) for name, text in row.items() if name not in COSTS}
            for row in csv.DictReader(file)
        ]


def told(path: Path) -> list[str]:
    """Returns the lines of a table for people without the cells of the costs."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [" | ".join(line.split(" | ")[:-3]) if line.startswith("|") else line for line in lines]


def number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def test_there_are_results():
    assert RESULTS
    assert {path.name for path in FOLDER.iterdir() if path.is_dir()} == {p.name for p in RESULTS}


@pytest.mark.parametrize("folder", RESULTS, ids=lambda folder: folder.name)
def test_each_table_is_made_again_from_what_is_stored(folder, tmp_path):
    write(of_sweep(folder), tmp_path, extent=Extent(clips=0), cost=lambda _: None)
    stored = rows(folder / "report" / "table.csv")
    for row, expected in zip(rows(tmp_path / "table.csv"), stored, strict=True):
        assert row == {
            name: pytest.approx(value, rel=1e-9) if isinstance(value, float) else value
            for name, value in expected.items()
        }
    assert told(tmp_path / "table.md") == told(folder / "report" / "table.md")


@pytest.mark.parametrize("folder", RESULTS, ids=lambda folder: folder.name)
def test_the_page_shows_each_table_and_its_command(folder):
    page = PAGE.read_text(encoding="utf-8")
    lines = (folder / "report" / "table.md").read_text(encoding="utf-8").splitlines()
    assert "\n".join(line for line in lines if line.startswith("|")) in page
    assert f"python tools/report.py docs/results/{folder.name}\n" in page


@pytest.mark.parametrize("folder", RESULTS, ids=lambda folder: folder.name)
def test_the_page_shows_the_means_of_the_families(folder):
    page = PAGE.read_text(encoding="utf-8")
    study = of_sweep(folder)
    for variant in study.variants:
        means = [
            statistics.fmean(
                trial.score(f"{study.metrics[0]}/{family}").value for trial in variant.trials
            )
            for family in ("sight", "hearing", "together", "order")
        ]
        told = " | ".join(f"{mean:.3f}".removeprefix("0") for mean in means)
        assert f"| {variant.name} | {told} |\n" in page


@pytest.mark.parametrize("folder", RESULTS, ids=lambda folder: folder.name)
def test_each_variant_has_three_seeds_that_came_to_their_end(folder):
    study = of_sweep(folder)
    assert not study.not_done
    assert all(len(variant.done) >= 3 for variant in study.variants)
