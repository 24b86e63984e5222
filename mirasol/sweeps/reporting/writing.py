"""A report as files.

table.md, table.csv, table.tex   the table
<plot>.svg                       the plots
report.html                      all of it, and questions with their clips, in one page
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from pathlib import Path

from mirasol.data.converter import Converter
from mirasol.sweeps.reporting import costs
from mirasol.sweeps.reporting.costs import ModelCost
from mirasol.sweeps.reporting.formats import csv_text, latex, markdown
from mirasol.sweeps.reporting.outcomes import outcomes
from mirasol.sweeps.reporting.page import Page, render
from mirasol.sweeps.reporting.pictures import clip_pictures
from mirasol.sweeps.reporting.plots import plots
from mirasol.sweeps.reporting.questions import sample
from mirasol.sweeps.reporting.study import Study, Variant
from mirasol.sweeps.reporting.table import table
from mirasol.whole_file import whole_file

PAGE = "report.html"
_PLOT = re.compile(r"(differences|curve_.+|pareto_.+)\.svg")


@dataclasses.dataclass(frozen=True)
class Extent:
    """How much of the answers the page shows.

    Attributes:
      clips: so many; 0: none, and no media file is opened.
      questions: of each clip.

    Raises:
      ValueError: numbers that there cannot be.
    """

    clips: int = 6
    questions: int = 5

    def __post_init__(self) -> None:
        for name, value, least in (("clips", self.clips, 0), ("questions", self.questions, 1)):
            if value < least:
                raise ValueError(f"{name}={value}; it must be {least} or more")


@dataclasses.dataclass(frozen=True)
class Written:
    """What a report came to.

    Attributes:
      table: in Markdown.
      clips: asked for on the page.
      missing: why clips have no pictures there, one reason each that has none.
    """

    table: str
    clips: int
    missing: tuple[str, ...]


def write(
    study: Study,
    folder: Path,
    *,
    command: str = "",
    extent: Extent | None = None,
    cost: Callable[[Variant], ModelCost | None] = costs.told_cost,
) -> Written:
    """Writes the report.

    Args:
      study: what it is about.
      folder: made if absent; what is there of an earlier report is replaced.
      command: that makes this report, for the page.
      extent: how many clips and questions the page shows.
      cost: what a variant's model costs.

    Raises:
      ValueError: the study has no metric.
    """
    if not study.metrics:
        raise ValueError(f"{study.name} names no metric: what is to be compared?")
    extent = extent or Extent()
    found = outcomes(study, cost)
    shown, pictures = table(study, found), plots(study, found)
    asked = sample(study, extent.clips, extent.questions)
    clips = clip_pictures(
        [each.reference for each in asked], _converter_of(study) if asked else None
    )
    files = {
        "table.md": markdown(shown),
        "table.csv": csv_text(study, found),
        "table.tex": latex(shown),
        **{f"{plot.name}.svg": plot.svg for plot in pictures},
        PAGE: render(Page(study, shown, pictures, list(zip(asked, clips, strict=True)), command)),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for earlier in folder.iterdir():
        if _PLOT.fullmatch(earlier.name) and earlier.name not in files:
            earlier.unlink()
    for name, text in files.items():
        with whole_file(folder / name) as file:
            file.write(text)
    missing = tuple(each.missing for each in clips if each.missing)
    return Written(files["table.md"], len(clips), missing)


def _converter_of(study: Study) -> Converter | None:
    """Returns what decodes clips as the baseline, or the first variant that can be read, does.

    Args:
      study: whose variants are read; None where there is none that can be.
    """
    for variant in study.variants:
        spec = costs.spec_of(variant)
        if spec is not None:
            return spec.build().converter
    return None
