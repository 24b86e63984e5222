"""The running mean of the parameters."""

import pytest
import torch

from mirasol import config
from mirasol.description.memory import step_memory
from mirasol.training.averaging import Averaging
from mirasol.training.optimizers import AdamW
from mirasol.training.schedules import Constant
from tests.training.small_model import same, small_model

RUN, EMA = "runs/av_shapes_tiny.gin", "training/ema.gin"


def good(model):
    """Returns an optimizer whose last step was not undone."""
    return AdamW(schedule=Constant(peak=0.1)).build(model, {})


def test_the_mean_is_the_formula():
    model = small_model()
    average = Averaging(decay=0.9, start_step=2).build(model)
    mean = None
    for step in range(1, 7):
        with torch.no_grad():
            model.start_D.add_(step)
        average.set_step(step)
        average.follow(good(model))
        now = model.start_D.detach().double()
        mean = now if step <= 2 else 0.9 * mean + 0.1 * now
        torch.testing.assert_close(average.tensors["start_D"].double(), mean, rtol=1e-6, atol=1e-6)
    assert average.tensors.keys() == dict(model.named_parameters()).keys()


def test_the_model_is_the_mean_for_a_while_and_then_itself_again():
    model = small_model()
    average = Averaging(decay=0.5).build(model)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) / 3)
    average.set_step(1)
    average.follow(good(model))
    own = [each.detach().clone() for each in model.parameters()]
    mean = [each.clone() for each in average.tensors.values()]
    with pytest.raises(KeyError), average.in_place():
        assert same([each.detach() for each in model.parameters()], mean)
        raise KeyError
    assert same([each.detach() for each in model.parameters()], own)
    assert same(list(average.tensors.values()), mean)
    average.begin()
    assert same(list(average.tensors.values()), own)


def test_frozen_parameters_have_no_mean():
    model = small_model()
    model.out.weight.requires_grad_(False)
    assert "out.weight" not in Averaging().build(model).tensors


@pytest.mark.parametrize("options", [{"decay": 1.0}, {"decay": 0.0}, {"start_step": -1}])
def test_numbers_out_of_range_are_refused(options):
    with pytest.raises(ValueError, match="Averaging"):
        Averaging(**options)


def test_describe_counts_it_and_an_evaluation_without_one_is_refused():
    plain, averaged = (config.load(files).build() for files in ([RUN], [RUN, EMA]))
    without, step = (step_memory(each, each.converter.shape, 1) for each in (plain, averaged))
    assert (without.average, step.average) == (0, step.parameters)
    assert step.optimizer == without.optimizer
    with pytest.raises(ValueError, match="keeps no running mean"):
        config.load([RUN], ["EvaluationPlan.averaged = True"]).build()


@pytest.mark.parametrize(
    ("steps", "start", "said"), [(20, 0, "98%"), (5000, 0, None), (20, 20, None)]
)
def test_a_run_too_short_for_its_mean_is_told(steps, start, said):
    lines = Averaging(decay=0.999, start_step=start).doubts(steps)
    assert len(lines) == (said is not None)
    assert (
        said is None or f"after {steps} steps the first parameters still weigh {said}" in lines[0]
    )
