"""Quality against cost, and the variants that none beats in both."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence

from matplotlib.axes import Axes

from mirasol.sweeps.reporting.colours import FAINT, PAPER, Look, look
from mirasol.sweeps.reporting.drawing import Plot, new_figure, put_legend, svg_text
from mirasol.sweeps.reporting.outcomes import Outcome
from mirasol.sweeps.reporting.study import Study
from mirasol.sweeps.reporting.table import duration, fraction

# Above this ratio of the largest to the smallest cost, the axis is logarithmic.
_LOGARITHMIC = 8.0


@dataclasses.dataclass(frozen=True)
class Cost:
    """An axis of quality against cost."""

    name: str
    label: str
    of: Callable[[Outcome], float | None]
    told: Callable[[float], str]


COSTS = (
    Cost(
        "operations",
        "GFLOP of an example, forward",
        lambda row: None if row.cost is None else row.cost.forward_flops / 1e9,
        "{:.3g} GFLOP".format,
    ),
    Cost("time", "minutes of training", lambda row: _minutes(row), lambda m: duration(60 * m)),
    Cost(
        "memory",
        "MB of a training step",
        lambda row: None if row.cost is None else row.cost.step_bytes / 1e6,
        "{:.4g} MB".format,
    ),
)


def pareto_plot(study: Study, found: Sequence[Outcome], cost: Cost) -> Plot | None:
    """Draws the first metric against a cost; None where fewer than two variants differ in it."""
    metric = study.metrics[0]
    points = list(_points(found, metric, cost))
    if len({x for _, x, _ in points}) < 2:
        return None
    figure, axes = new_figure(cost.label, study.short(metric))
    for place, x, y in points:
        _draw_point(axes, found[place], metric, (x, y), look(place))
    best = frontier([(x, y) for _, x, y in points])
    line = [points[i][1:] for i in best]
    axes.plot(*zip(*line, strict=True), color=FAINT, lw=1.2, ls=":", drawstyle="steps-post")
    xs = [x for _, x, _ in points]
    if max(xs) > _LOGARITHMIC * min(xs) > 0:
        axes.set_xscale("log")
    axes.margins(0.12)
    put_legend(figure, axes)
    names = [found[points[i][0]].variant.name for i in best]
    told = [f"{found[p].variant.name} {fraction(y)} at {cost.told(x)}" for p, x, y in points]
    return Plot(
        f"pareto_{cost.name}",
        f"Quality against {cost.name}",
        svg_text(figure, f"pareto_{cost.name}"),
        f"Scatter plot of {metric} against {cost.label}: {'; '.join(told)}. "
        f"Beaten by none in both: {', '.join(names)}.",
        "Up and to the left is better. Whiskers: one standard deviation over seeds. Dotted: the "
        "variants that no other beats in both. Hollow: fewer trials than planned.",
    )


def _points(
    found: Sequence[Outcome], metric: str, cost: Cost
) -> Iterator[tuple[int, float, float]]:
    for place, outcome in enumerate(found):
        x, y = cost.of(outcome), outcome.scores[metric].mean
        if x is not None and y is not None:
            yield place, x, y


def _draw_point(
    axes: Axes, outcome: Outcome, metric: str, point: tuple[float, float], style: Look
) -> None:
    score, hollow = outcome.scores[metric], outcome.lacks(metric)
    few = f" ({score.n} of {outcome.planned})" if hollow else ""
    axes.errorbar(
        [point[0]],
        [point[1]],
        yerr=[score.deviation or 0.0],
        color=style.colour,
        marker=style.marker,
        markerfacecolor=PAPER if hollow else style.colour,
        markersize=8,
        capsize=3,
        linestyle="none",
        label=f"{outcome.variant.name}{few}",
    )


def _minutes(row: Outcome) -> float | None:
    return None if row.seconds is None else row.seconds / 60


def frontier(points: Sequence[tuple[float, float]]) -> list[int]:
    """Returns the places of the points (cost, quality) that none beats in both, cheapest first."""
    kept: list[int] = []
    for place in sorted(range(len(points)), key=lambda i: (points[i][0], -points[i][1])):
        if not kept or points[place][1] > points[kept[-1]][1]:
            kept.append(place)
    return kept
