"""Which combinations a plan tries, and what a sweep may not say."""

from __future__ import annotations

import pytest

from mirasol.sweeps.plan import Axis, Grid, Listed, OneAtATime, Random, Sweep, Zip, told

COMBINER = Axis(name="combiner", labels={"ttm": ["ttm.gin"], "mean": ["mean.gin"]})
WIDTH = Axis(name="width", labels={"96": [], "192": ["WIDTH = 192"]})
BASELINE = {"combiner": "mean", "width": "96"}


def sweep(**changes) -> Sweep:
    given = {
        "hypothesis": "one is better",
        "base": ["runs/base.gin"],
        "axes": [COMBINER, WIDTH],
        "plan": Grid(),
        "seeds": [0, 1],
        "metrics": ["toy/accuracy"],
        "baseline": BASELINE,
    }
    return Sweep(**{**given, **changes})


@pytest.mark.parametrize(
    ("plan", "baseline", "tried"),
    [
        (Grid(), BASELINE, ["ttm 96", "ttm 192", "mean 96", "mean 192"]),
        (Zip(), {}, ["ttm 96", "mean 192"]),
        (OneAtATime(), BASELINE, ["mean 96", "ttm 96", "mean 192"]),
        (
            Listed(combinations=[{}, {"combiner": "ttm"}, {"width": "192", "combiner": "ttm"}]),
            BASELINE,
            ["mean 96", "ttm 96", "ttm 192"],
        ),
    ],
)
def test_a_plan_tries(plan, baseline, tried):
    found = sweep(plan=plan, baseline=baseline).variants()
    assert found == [dict(zip(("combiner", "width"), each.split(), strict=True)) for each in tried]


def test_a_draw_is_part_of_the_grid_and_the_same_for_the_same_seed():
    drawn = sweep(plan=Random(count=3, seed=1), baseline={}).variants()
    assert drawn == sweep(plan=Random(count=3, seed=1), baseline={}).variants()
    assert len({told(each) for each in drawn}) == 3
    assert all(each in sweep().variants() for each in drawn)
    assert drawn != sweep(plan=Random(count=3, seed=2), baseline={}).variants()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"axes": [COMBINER, COMBINER]}, "Sweep.axes: 'combiner' is there twice"),
        ({"seeds": [0, 0]}, "Sweep.seeds: 0 is there twice"),
        ({"metrics": ["t/m", "t/m"]}, "Sweep.metrics: 't/m' is there twice"),
        ({"seeds": []}, "Sweep.seeds is empty"),
        ({"metrics": ["accuracy"]}, "must be 'task/metric'"),
        ({"baseline": {"combner": "ttm"}}, "no axis 'combner'.*did you mean 'combiner'"),
        ({"baseline": {"combiner": "tmm"}}, "no label 'tmm'.*did you mean 'ttm'"),
        ({"limit_s": 0.0}, "Sweep.limit_s is 0.0; it must be above 0"),
        ({"grace_s": -1.0}, "Sweep.grace_s is -1.0; it must be above 0"),
    ],
)
def test_a_sweep_refuses(changes, said):
    with pytest.raises(ValueError, match=said):
        sweep(**changes)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"plan": OneAtATime(), "baseline": {}}, "wants a label of combiner, width"),
        ({"plan": Random(count=5)}, "the grid has only 4"),
        ({"plan": Listed(combinations=[{"width": "96"}]), "baseline": {}}, "no label of combiner"),
        ({"plan": Listed(combinations=[{}, {}])}, "combiner=mean width=96' is there twice"),
        ({"plan": Zip()}, "'combiner=mean width=96' is none of the 2 variants.*did you mean"),
        ({"baseline": {"combiner": "ttm"}}, "'combiner=ttm' is none of the 4"),
        ({"plan": Zip(), "axes": [COMBINER, Axis(name="one", labels={"a": []})], "baseline": {}},
         "combiner has 2, one has 1"),
    ],
)  # fmt: skip
def test_a_plan_refuses_axes_that_do_not_fit_it(changes, said):
    with pytest.raises(ValueError, match=said):
        sweep(**changes).variants()


def test_a_baseline_has_its_labels_in_the_order_of_the_axes():
    given = sweep(baseline={"width": "96", "combiner": "ttm"})
    assert list(given.ordered_baseline().items()) == [("combiner", "ttm"), ("width", "96")]
    assert given.ordered_baseline() in given.variants()


def test_an_axis_without_a_name_is_refused():
    with pytest.raises(ValueError, match=r"Axis\.name is empty"):
        Axis(name="", labels={"a": []})


@pytest.mark.parametrize("labels", [{}, {"": []}, {8: []}, {"a": "one.gin"}, {"a": [1]}])
def test_an_axis_refuses(labels):
    with pytest.raises(ValueError, match=r"Axis\.labels of axis 'x'"):
        Axis(name="x", labels=labels)
