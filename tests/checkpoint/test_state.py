from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from mirasol.checkpoint.manager import CheckpointManager
from mirasol.checkpoint.state import flatten, prepare_optimizer, training_state

Build = Callable[[list[nn.Parameter]], torch.optim.Optimizer]


def adam_with_rate_tensor(parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
    return torch.optim.AdamW(parameters, lr=torch.tensor(0.01), foreach=False)


OPTIMIZERS: dict[str, Build] = {
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.01),
    "fused": lambda p: torch.optim.AdamW(p, lr=0.01, fused=True),
    "rate tensor": adam_with_rate_tensor,
    "amsgrad": lambda p: torch.optim.Adam(p, lr=0.01, amsgrad=True),
    "nadam": lambda p: torch.optim.NAdam(p, lr=0.01),
    "sgd": lambda p: torch.optim.SGD(p, lr=0.01),
    "momentum": lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.9),
}


class Net(nn.Module):
    """Two layers and one parameter that never gets a gradient; batch norm has an int64 buffer."""

    def __init__(self, seed: int):
        super().__init__()
        torch.manual_seed(seed)
        self.layers = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Linear(8, 1))
        self.idle = nn.Parameter(torch.ones(3))
        self.frozen = nn.Parameter(torch.ones(2), requires_grad=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x).square().mean()


def step(model: nn.Module, optimizer: torch.optim.Optimizer, number: int) -> None:
    generator = torch.Generator().manual_seed(number)
    model(torch.randn(16, 4, generator=generator)).backward()
    optimizer.step()
    optimizer.zero_grad()


def contents(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, list]:
    tensors = flatten(training_state(model, optimizer)).tensors
    return {name: tensor.detach().tolist() for name, tensor in tensors.items()}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_resumed_run_equals_the_unbroken_one(tmp_path: Path, name: str):
    model = Net(seed=0)
    optimizer = OPTIMIZERS[name](list(model.parameters()))
    manager = CheckpointManager(tmp_path)
    for number in range(3):
        step(model, optimizer, number)
    manager.save(3, {**training_state(model, optimizer), "step": 3})
    for number in range(3, 5):
        step(model, optimizer, number)

    again = Net(seed=1)
    again_optimizer = OPTIMIZERS[name](list(again.parameters()))
    values = {"step": 0}
    report = manager.restore_training(again, again_optimizer, values)
    assert values == {"step": 3}
    assert report.missing == report.unused == report.changed == ()
    for number in range(values["step"], 5):
        step(again, again_optimizer, number)
    assert contents(again, again_optimizer) == contents(model, optimizer)


def test_a_state_saved_before_the_first_step_changes_nothing(tmp_path: Path):
    models = [Net(seed=0), Net(seed=1)]
    optimizers = [OPTIMIZERS["adamw"](list(model.parameters())) for model in models]
    manager = CheckpointManager(tmp_path)
    manager.save(0, training_state(models[0], optimizers[0]))
    assert not optimizers[0].state
    manager.restore_training(models[1], optimizers[1], {})
    assert not optimizers[1].state
    for model, optimizer in zip(models, optimizers, strict=True):
        step(model, optimizer, 0)
    assert contents(models[0], optimizers[0]) == contents(models[1], optimizers[1])


def test_names_are_those_of_parameters_without_wrappers():
    model = Net(seed=0)
    optimizer = OPTIMIZERS["adamw"](list(model.parameters()))
    compiled = nn.Module()
    compiled._orig_mod = model
    step(model, optimizer, 0)
    flat = flatten(training_state(compiled, optimizer))
    assert flat.tensors.keys() == flatten(training_state(model, optimizer)).tensors.keys()
    assert flat.tensors["model.layers.0.weight"] is model.layers[0].weight
    assert "optimizer.layers.0.weight.exp_avg" in flat.tensors
    assert not any(name.startswith("optimizer.idle") for name in flat.tensors)


def test_preparing_keeps_gradients_rates_and_what_the_optimizer_has():
    model = Net(seed=0)
    optimizer = OPTIMIZERS["adamw"](list(model.parameters()))
    step(model, optimizer, 0)
    model.idle.grad = torch.full((3,), 5.0)
    before = contents(model, optimizer)
    prepare_optimizer(model, optimizer, ["optimizer.idle.exp_avg", "model.idle"])
    after = contents(model, optimizer)
    assert {name: after[name] for name in before} == before
    assert after.keys() - before.keys() == {
        f"optimizer.idle.{key}" for key in ("step", "exp_avg", "exp_avg_sq")
    }
    assert optimizer.param_groups[0]["lr"] == 0.01
    assert model.idle.grad.tolist() == [5.0, 5.0, 5.0]


def test_an_optimizer_of_another_model_is_refused():
    optimizer = OPTIMIZERS["momentum"]([parameter := nn.Parameter(torch.ones(7))])
    parameter.grad = torch.ones(7)
    optimizer.step()
    with pytest.raises(ValueError, match=r"that the model has not: shapes .*\[7\]"):
        training_state(Net(seed=0), optimizer)


def test_flat_names_and_values_in_place():
    state = {"a": {"b": {"c": torch.ones(1)}, "n": 1}, "list": [1, [None, "x"]], "empty": {}}
    flat = flatten(state)
    assert list(flat.tensors) == ["a.b.c"]
    assert flat.values == {"a.n": 1, "list": [1, [None, "x"]]}
    flat.set_value("a.n", 2)
    assert state["a"]["n"] == 2


@pytest.mark.parametrize(
    "value",
    [(1, 2), {1, 2}, [torch.ones(1)], np.float64(1.0), b"x", object(), [{"a": (1,)}], [{1: 2}]],
)
def test_what_would_come_back_different_is_refused(value: object):
    with pytest.raises(ValueError, match=r"'run\.value' is .*; the state holds tensors, and None"):
        flatten({"run": {"value": value}})


@pytest.mark.parametrize("key", ["", "a/b", 3])
def test_bad_keys_are_refused(key: object):
    with pytest.raises(ValueError, match=r"under 'model\.': must be a non-empty str"):
        flatten({"model": {key: 1}})


def test_two_leaves_of_one_name_are_refused():
    with pytest.raises(ValueError, match=r"two entries of the state are called 'a\.b'"):
        flatten({"a": {"b": 1}, "a.b": torch.ones(1)})
