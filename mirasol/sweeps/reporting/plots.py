"""The plots of a study: differences, learning curves, quality against cost."""

from __future__ import annotations

from collections.abc import Sequence

from mirasol.sweeps.reporting.colours import FAINT, INK, look
from mirasol.sweeps.reporting.curves import LOSS, curve_plot
from mirasol.sweeps.reporting.drawing import Plot, new_figure, svg_text
from mirasol.sweeps.reporting.outcomes import Outcome
from mirasol.sweeps.reporting.pareto import COSTS, pareto_plot
from mirasol.sweeps.reporting.study import Study
from mirasol.sweeps.reporting.table import interval


def plots(study: Study, found: Sequence[Outcome]) -> list[Plot]:
    """Returns all that there is something to draw for."""
    metric = study.metrics[0]
    curves = [curve_plot(study, each) for each in (LOSS, metric)]
    pareto = [pareto_plot(study, found, cost) for cost in COSTS]
    return [plot for plot in (_forest(study, found), *curves, *pareto) if plot is not None]


def _forest(study: Study, found: Sequence[Outcome]) -> Plot | None:
    """Draws the differences to the baseline with their intervals, one below the other."""
    metric = study.metrics[0]
    rows = [(place, found[place].differences[metric]) for place in range(len(found))]
    known = [(place, each) for place, each in rows if each is not None]
    if not known:
        return None
    figure, axes = new_figure("", "")
    # Below the whole figure: names of several axes are longer than the axes are wide.
    title = f"{study.short(metric)}, difference to\n{study.baseline.name}"
    figure.supxlabel(title, color=INK, fontsize="medium", parse_math=False)
    figure.set_figheight(1.2 + 0.45 * max(len(known), 4))
    axes.axvline(0, color=FAINT, lw=1.2, ls=":")
    for y, (place, each) in enumerate(known):
        style = look(place)
        if each.low is not None and each.high is not None:
            ends = [each.low, each.high]
            axes.plot(ends, [y, y], color=style.colour, lw=2.2, marker="|", markersize=9)
        axes.plot(each.value, y, color=style.colour, marker=style.marker, markersize=7)
    names = [found[place].variant.name for place, _ in known]
    axes.set_yticks(range(len(known)), names, parse_math=False)
    axes.set_ylim(len(known) - 0.4, -0.6)
    told = [f"{name} {interval(each)}" for name, (_, each) in zip(names, known, strict=True)]
    return Plot(
        "differences",
        "Differences to the baseline",
        svg_text(figure, "differences"),
        f"Differences in {metric} to {found[0].variant.name}: {'; '.join(told)}.",
        "Marker: paired difference; bar: 95 % bootstrap interval; dotted: the baseline, "
        f"{found[0].variant.name}.",
    )
