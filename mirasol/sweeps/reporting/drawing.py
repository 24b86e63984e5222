"""Pictures of a report as SVG: paper and axes, legend, text.

The text of a picture stays text, and its colours are few and known, so that the page can put its
own in their place and read it aloud (colours.py).
"""

from __future__ import annotations

import dataclasses
import io

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mirasol.sweeps.reporting.colours import FAINT, INK, PAPER, RULE

_SIZE_IN = (5.2, 3.3)
_LINE_IN = 0.21  # Of a legend.
_ONE_COLUMN = 24  # Letters of a name in the legend, beyond which two do not stand side by side.


@dataclasses.dataclass(frozen=True)
class Plot:
    """A picture, and what it says in words.

    Attributes:
      name: of its file, without the ending.
      title: above it.
      svg: the picture.
      words: its text alternative.
      caption: how to read it.
    """

    name: str
    title: str
    svg: str
    words: str
    caption: str


def new_figure(x: str, y: str) -> tuple[Figure, Axes]:
    """Returns a figure with axes of these names."""
    figure = Figure(figsize=_SIZE_IN, layout="constrained", facecolor=PAPER)
    axes = figure.add_subplot(facecolor=PAPER)
    axes.set_xlabel(x, color=INK, parse_math=False)
    axes.set_ylabel(y, color=INK, parse_math=False)
    axes.tick_params(colors=FAINT, labelcolor=INK)
    axes.grid(color=RULE, lw=0.6)
    axes.set_axisbelow(True)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(FAINT)
    return figure, axes


def put_legend(figure: Figure, axes: Axes) -> None:
    """Puts it below the axes, where it covers nothing, and makes the figure as much higher."""
    handles, labels = axes.get_legend_handles_labels()
    columns = 1 if max(map(len, labels)) > _ONE_COLUMN else 2
    legend = figure.legend(
        handles, labels, loc="outside lower center", ncols=columns, frameon=False, labelcolor=INK
    )
    for label in legend.get_texts():
        label.set_parse_math(False)
    figure.set_figheight(_SIZE_IN[1] + _LINE_IN * -(-len(labels) // columns))


def svg_text(figure: Figure, name: str) -> str:
    """Returns the figure; the name keeps what it refers to apart from other figures' on a page."""
    file = io.StringIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        figure.savefig(file, format="svg", metadata=nothing)
    return file.getvalue()
