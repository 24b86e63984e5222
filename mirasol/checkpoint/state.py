"""What is saved: a nested dict of tensors and JSON values, live, so that a restore is in place."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, MutableMapping
from typing import Any

import torch
from torch import nn

State = MutableMapping[str, Any]

# What torch.compile and torch_xla's FSDP add to the names of what they wrap.
_WRAPPERS = ("_orig_mod.", "_orig_module.")


@dataclasses.dataclass(frozen=True)
class FlatState:
    """A nested state by dotted names.

    Attributes:
      tensors: {"model.head.weight": tensor, ...}; the very tensors of the nested state.
      values: everything else, JSON.
      homes: for each value the dict that it sits in, and its key there.
    """

    tensors: dict[str, torch.Tensor]
    values: dict[str, Any]
    homes: dict[str, tuple[MutableMapping[str, Any], str]]

    def set_value(self, name: str, value: Any) -> None:
        """Puts a value into the nested state."""
        home, key = self.homes[name]
        home[key] = value


def flatten(state: State) -> FlatState:
    """Returns the leaves of a nested dict under the keys of their path, joined by dots.

    Raises:
      ValueError: two leaves would share a name, a key is no non-empty string or holds "/", or a
        leaf is neither a tensor nor JSON (None, bool, int, float, str, lists of these).
    """
    flat = FlatState({}, {}, {})
    _flatten(state, "", flat)
    return flat


def model_state(model: nn.Module) -> State:
    """Returns the model's parameters and persistent buffers themselves, by name."""
    tensors = model.state_dict(keep_vars=True)
    return {plain_name(name): tensor for name, tensor in tensors.items()}


def training_state(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, State]:
    """Returns the model's and the optimizer's tensors themselves, by name of parameter.

    The optimizer's settings (learning rate, decay) are not in it: the configuration states them.

    Returns:
      {"model": {"head.weight": tensor}, "optimizer": {"head.weight": {"exp_avg": tensor}}}.
    """
    names = {id(parameter): plain_name(name) for name, parameter in model.named_parameters()}
    strange = [p.shape for p in optimizer.state if id(p) not in names]
    if strange:
        raise ValueError(f"the optimizer holds parameters that the model has not: shapes {strange}")
    return {
        "model": model_state(model),
        "optimizer": {names[id(p)]: state for p, state in optimizer.state.items()},
    }


def prepare_optimizer(
    model: nn.Module, optimizer: torch.optim.Optimizer, stored_names: Iterable[str]
) -> None:
    """Gives the optimizer the state tensors that a checkpoint is about to fill.

    An optimizer makes its state in its first step, so one is taken: without gradients and at rate
    zero. What it leaves in the new state means nothing before the restore.

    Args:
      model: whose parameters the optimizer moves.
      optimizer: left as it is where it has state already.
      stored_names: of the checkpoint's arrays; parameters that have none there get no state.
    """
    stored = {name.rpartition(".")[0] for name in stored_names}
    stateless = [
        parameter
        for name, parameter in model.named_parameters()
        if f"optimizer.{plain_name(name)}" in stored and not optimizer.state.get(parameter)
    ]
    if stateless:
        _take_empty_step(optimizer, stateless)


def _take_empty_step(optimizer: torch.optim.Optimizer, parameters: list[nn.Parameter]) -> None:
    groups = optimizer.param_groups
    moved = [parameter for group in groups for parameter in group["params"]]
    gradients = [parameter.grad for parameter in moved]
    rates = [group["lr"] for group in groups]
    for parameter in moved:
        parameter.grad = None
    for parameter in parameters:
        parameter.grad = torch.zeros_like(parameter)
    for group in groups:
        group["lr"] = group["lr"] * 0.0
    optimizer.step()
    for group, rate in zip(groups, rates, strict=True):
        group["lr"] = rate
    for parameter, gradient in zip(moved, gradients, strict=True):
        parameter.grad = gradient


def _flatten(node: State, prefix: str, flat: FlatState) -> None:
    for key, leaf in node.items():
        if not isinstance(key, str) or not key or "/" in key:
            raise ValueError(f"key {key!r} under {prefix!r}: must be a non-empty str without '/'")
        name = f"{prefix}{key}"
        if isinstance(leaf, MutableMapping):
            _flatten(leaf, f"{name}.", flat)
            continue
        if name in flat.tensors or name in flat.values:
            raise ValueError(f"two entries of the state are called {name!r}; rename one")
        if isinstance(leaf, torch.Tensor):
            flat.tensors[name] = leaf
        else:
            _check_json(name, leaf)
            flat.values[name] = leaf
            flat.homes[name] = (node, key)


def _check_json(name: str, value: Any) -> None:
    """Refuses what would come back as something else, such as a tuple, or not at all."""
    text = json.dumps(value, default=lambda other: f"<{type(other).__name__}>")
    if repr(json.loads(text)) != repr(value):
        raise ValueError(
            f"{name!r} is {value!r}; the state holds tensors, and None, bool, int, float, str and "
            "lists of these"
        )


def plain_name(name: str) -> str:
    """Returns a parameter's name without what wrappers of the model have added to it."""
    for wrapper in _WRAPPERS:
        name = name.replace(wrapper, "")
    return name
