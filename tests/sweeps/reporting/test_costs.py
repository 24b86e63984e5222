from __future__ import annotations

from mirasol import workdirs
from mirasol.sweeps.reporting.costs import told_cost
from mirasol.sweeps.reporting.reading import of_sweep


def test_the_cost_is_that_of_the_configuration(real):
    baseline = of_sweep(real).baseline
    found = told_cost(baseline)
    model = workdirs.read(baseline.trials[0].workdir).build().build_model("meta")
    assert found.parameters == sum(each.numel() for each in model.parameters())
    # Parameters, gradients and AdamW's two moments, float32, are the least that a step holds.
    assert found.step_bytes > 16 * found.parameters
    assert found.backward_flops > found.forward_flops > 2 * found.parameters


def test_without_a_configuration_there_is_no_cost(synthetic):
    assert told_cost(of_sweep(synthetic).baseline) is None
