"""The page of a study: one HTML file with its pictures, styles and text inside."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Sequence
from importlib import resources

import jinja2
from markupsafe import Markup

from mirasol.evaluation.sheet_drawing import NAMED_CHUNKS, short
from mirasol.sweeps.reporting.colours import PAGE_COLOURS
from mirasol.sweeps.reporting.configurations import configurations
from mirasol.sweeps.reporting.drawing import Plot
from mirasol.sweeps.reporting.pictures import ClipPictures
from mirasol.sweeps.reporting.questions import AskedClip
from mirasol.sweeps.reporting.study import Study
from mirasol.sweeps.reporting.table import Table

_TEMPLATES = resources.files("mirasol.sweeps.reporting") / "templates"


@dataclasses.dataclass(frozen=True)
class Page:
    """All that stands on it.

    Attributes:
      study: what it is about.
      table: its results.
      plots: its pictures.
      clips: clips with questions and answers, each with its pictures.
      command: that made the report; "" if nobody says.
    """

    study: Study
    table: Table
    plots: Sequence[Plot]
    clips: Sequence[tuple[AskedClip, ClipPictures]]
    command: str = ""


def render(page: Page) -> str:
    """Returns the HTML."""
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, keep_trailing_newline=True
    )
    environment.filters |= {"inlined": inlined, "letters": short, "together": together}
    template = environment.from_string(_template("page.html.jinja"))
    trials = [trial for variant in page.study.variants for trial in variant.trials]
    states = Counter(trial.state for trial in trials)
    return template.render(
        **{field.name: getattr(page, field.name) for field in dataclasses.fields(page)},
        css=Markup(_template("page.css")),
        planned=len(trials),
        done=sum(trial.done for trial in trials),
        other_states=[(state, count) for state, count in states.items() if state != "done"],
        configurations=configurations(page.study),
        answered=list(page.clips[0][0].questions[0].given) if page.clips else [],
        most_chunks=NAMED_CHUNKS,
    )


def inlined(plot: Plot) -> Markup:
    """Returns a plot's SVG as an element of a page: in its colours, named, read aloud by its words.

    Names within the picture get the plot's own before them, since a page has all in one space.
    """
    svg = plot.svg[plot.svg.index("<svg") :]
    head, _, body = svg.partition(">")
    box = re.search(r'viewBox="[^"]*"', head)
    assert box, "matplotlib gives every picture a view box"
    for colour, variable in PAGE_COLOURS.items():
        body = body.replace(colour, variable)
    body = re.sub(r'\bid="', f'id="{plot.name}-', body)
    body = re.sub(r'(xlink:href="|url\()#', rf"\1#{plot.name}-", body)
    opening = Markup('<svg {} role="img" aria-label="{}">').format(Markup(box[0]), plot.words)
    return opening + Markup(body)


def together(text: str) -> str:
    """Returns a cell's text that no line breaks within an interval or a number and its spread."""
    for space in (", ", " ± ", "] "):
        text = text.replace(space, space.replace(" ", "\N{NO-BREAK SPACE}"))
    return text


def _template(name: str) -> str:
    return (_TEMPLATES / name).read_text(encoding="utf-8")
