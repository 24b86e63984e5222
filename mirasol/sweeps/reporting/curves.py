"""Learning curves: the seeds of each variant, and their mean."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from mirasol.sweeps.reporting import workdir_files
from mirasol.sweeps.reporting.colours import Look, look
from mirasol.sweeps.reporting.drawing import Plot, new_figure, put_legend, svg_text
from mirasol.sweeps.reporting.study import Study, Variant
from mirasol.sweeps.reporting.table import fraction
from mirasol.sweeps.reporting.workdir_files import Curve

LOSS = "train/loss"
# Points of a drawn line; more are thinned out, since nobody sees them and each weighs bytes.
_MOST_POINTS = 150
_LOGARITHMIC = 20.0  # From this ratio of the largest to the smallest loss.


def curve_plot(study: Study, metric: str) -> Plot | None:
    """Draws the seeds thin and their mean thick; None where no run has two points."""
    name = metric if metric == LOSS else study.short(metric)
    figure, axes = new_figure("step", name)
    words, empty = [], True
    for place, variant in enumerate(study.variants):
        each = _seed_curves(variant, metric)
        if not each:
            continue
        empty = False
        style = look(place)
        mean = _thinned(mean_curve(each))
        label = f"{variant.name} ({len(each)} of {len(variant.trials)})"
        _draw_seeds(axes, each, style, "" if mean else f"{label}, no mean")
        if mean:
            _draw_mean(axes, mean, style, label)
            words.append(f"{variant.name} ends at {fraction(mean[-1][1])}")
        else:
            words.append(f"{variant.name} has no step that all its seeds tell of")
    if empty:
        return None
    if metric == LOSS:
        _spread(axes)
    put_legend(figure, axes)
    kind = "loss" if metric == LOSS else "score"
    return Plot(
        f"curve_{kind}",
        f"Learning curves: {name}",
        svg_text(figure, f"curve_{kind}"),
        f"Line chart of {name} over training steps: {'; '.join(words)}.",
        "Thick: the mean over seeds at the steps that all have; thin: each seed. Only trials "
        "that are done are drawn; the legend says how many of those planned.",
    )


def _spread(axes: Axes) -> None:
    """Makes the axis logarithmic where the first losses would flatten all others."""
    drawn = np.concatenate([np.asarray(line.get_ydata(), float) for line in axes.lines])
    if drawn.max() > _LOGARITHMIC * drawn.min() > 0:
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter("{x:g}")


def _seed_curves(variant: Variant, metric: str) -> list[Curve]:
    curves = [workdir_files.curve(trial.workdir, metric) for trial in variant.done]
    return [each for each in curves if len(each) > 1]


def _draw_seeds(axes: Axes, curves: Sequence[Curve], style: Look, label: str) -> None:
    for number, line in enumerate(curves):
        axes.plot(
            *zip(*_thinned(line), strict=True),
            color=style.colour,
            lw=0.6,
            alpha=0.35,
            label=label if number == 0 else "",
        )


def _draw_mean(axes: Axes, mean: Curve, style: Look, label: str) -> None:
    axes.plot(
        *zip(*mean, strict=True),
        color=style.colour,
        linestyle=style.line,
        marker=style.marker,
        markevery=max(1, len(mean) // 6),
        markersize=5,
        lw=1.8,
        label=label,
    )


def mean_curve(curves: Sequence[Curve]) -> Curve:
    """Returns the mean at the steps that all curves have."""
    values: dict[int, list[float]] = defaultdict(list)
    for each in curves:
        for step, value in each:
            values[step].append(value)
    return [
        (step, statistics.fmean(each))
        for step, each in sorted(values.items())
        if len(each) == len(curves)
    ]


def _thinned(line: Curve) -> Curve:
    """Returns about every n-th point, the last one always."""
    step = -(-len(line) // _MOST_POINTS) if line else 1
    return [*line[:-1:step], *line[-1:]]
