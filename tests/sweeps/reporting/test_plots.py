from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ElementTree

from mirasol.sweeps.reporting.colours import look
from mirasol.sweeps.reporting.curves import LOSS, curve_plot, mean_curve
from mirasol.sweeps.reporting.outcomes import outcomes
from mirasol.sweeps.reporting.pareto import frontier
from mirasol.sweeps.reporting.plots import plots
from mirasol.sweeps.reporting.reading import of_sweep, of_workdirs
from tests.sweeps.reporting import made_up

NAMES = ["differences", "curve_loss", "curve_score"]
NAMES += ["pareto_operations", "pareto_time", "pareto_memory"]


def test_every_plot_is_a_picture_with_words(synthetic, cost):
    study = of_sweep(synthetic)
    found = plots(study, outcomes(study, cost))
    assert [plot.name for plot in found] == NAMES
    for plot in found:
        root = ElementTree.fromstring(plot.svg)
        texts = " ".join(
            "".join(each.itertext()) for each in root.iter() if each.tag.endswith("text")
        )
        assert plot.words.endswith(".")
        assert plot.caption
        for name in made_up.VARIANTS if plot.name != "differences" else list(made_up.VARIANTS)[1:]:
            assert name in texts
            assert name in plot.words


def test_a_trial_that_is_not_done_is_not_drawn_and_counted(tmp_path, cost):
    fates = {"transformer-1": {"state": "failed"}}
    folder = made_up.write_synthetic(tmp_path / "s", made_up.synthetic_rows(), fates)
    study = of_sweep(folder)
    found = {plot.name: plot for plot in plots(study, outcomes(study, cost))}
    assert "transformer (2 of 3)" in found["curve_loss"].svg
    assert "transformer (2 of 3)" in found["pareto_time"].svg


def test_what_nobody_knows_is_not_drawn(synthetic):
    study = of_sweep(synthetic)
    found = plots(study, outcomes(study, lambda _: None))
    assert [plot.name for plot in found] == [*NAMES[:3], "pareto_time"]


def test_the_same_study_gives_the_same_pictures(synthetic, cost):
    study = of_sweep(synthetic)
    first, second = (plots(study, outcomes(study, cost)) for _ in range(2))
    assert first == second


def test_the_frontier_holds_what_none_beats_in_both():
    points = [(3.0, 0.9), (1.0, 0.5), (2.0, 0.4), (2.5, 0.9), (1.0, 0.6), (4.0, 0.95)]
    assert frontier(points) == [4, 3, 5]


def test_a_mean_is_taken_only_where_all_seeds_are():
    assert mean_curve([[(1, 2.0), (2, 4.0)], [(1, 4.0), (3, 0.0)]]) == [(1, 3.0)]


def test_seeds_without_a_step_in_common_have_no_mean(tmp_path):
    for seed in (0, 1):
        rows = made_up.answered(made_up.synthetic_rows(), 0.9, seed)
        made_up.write_workdir(tmp_path / str(seed), rows, seed=seed)
    metrics = tmp_path / "1" / "metrics.jsonl"
    lines = [json.loads(line) for line in metrics.read_text().splitlines()]
    kept = [line if line["step"] == 20 else {**line, "step": line["step"] + 0.5} for line in lines]
    kept = [line for line in kept if "task" in line or line["step"] != 20]
    metrics.write_text("".join(json.dumps(line) + "\n" for line in kept))
    study = of_workdirs([("a", tmp_path / "0"), ("a", tmp_path / "1")])
    found = curve_plot(study, LOSS)
    assert "a (2 of 2), no mean" in found.svg
    assert "a has no step that all its seeds tell of." in found.words


def test_looks_differ_in_more_than_colour():
    looks = [look(place) for place in range(84)]
    assert len(set(looks)) == 84
    assert len({each.marker for each in looks[:7]}) == 7


def test_losses_that_fall_far_get_a_logarithmic_axis(tmp_path):
    made_up.write_workdir(tmp_path / "a", made_up.answered(made_up.synthetic_rows(), 0.9, 0))
    metrics = tmp_path / "a" / "metrics.jsonl"
    metrics.write_text(metrics.read_text().replace('"loss": 2.', '"loss": 2000.'))
    found = curve_plot(of_workdirs([("a", tmp_path / "a")]), LOSS)
    ticks = re.findall(r">(\d+)</text>", found.svg)
    assert {"1", "10", "100", "1000"} <= set(ticks)
