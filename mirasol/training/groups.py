"""Groups of parameters for torch's optimizers, alike in rate and decay, and their rate tensors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import torch
from torch import nn

from mirasol.checkpoint.state import plain_name
from mirasol.training.parameter_rules import Rule, Treatment, treatments

RATE_SHARE = "rate_share"
"""Key of a group: what the schedule's rate is multiplied by."""

Trained = tuple[nn.Parameter, Treatment]


def trained(model: nn.Module, rules: Sequence[Rule]) -> list[Trained]:
    """Returns each parameter that is not frozen, with how it is trained."""
    found = treatments(model, rules)
    named = [(found[plain_name(name)], each) for name, each in model.named_parameters()]
    return [(each, how) for how, each in named if each.requires_grad and not how.frozen]


def groups(parameters: Iterable[Trained], weight_decay: float, rates: Rates) -> list[dict]:
    """Returns groups for a torch optimizer: matrices decay, all else does not, unless a rule says.

    Args:
      parameters: in their order.
      weight_decay: of parameters with two dimensions or more.
      rates: gives a group its rate tensor.
    """
    found: dict[tuple[float, float], dict[str, Any]] = {}
    # Decayed ones first, as they have always stood.
    for parameter, how in sorted(parameters, key=lambda each: each[0].ndim < 2):
        by_shape = weight_decay if parameter.ndim >= 2 else 0.0
        decay = by_shape if how.weight_decay is None else how.weight_decay
        group = found.setdefault(
            (how.rate, decay),
            {
                "params": [],
                "weight_decay": decay,
                RATE_SHARE: how.rate,
                "lr": rates.of(how.rate),
            },
        )
        group["params"].append(parameter)
    return list(found.values())


class Rates:
    """The rate tensors of an optimizer: one a share, whatever else its groups differ in.

    Under XLA equal numbers on the device may be one buffer, and so one input of a graph; two rates
    that are now equal and now not would compile twice. Those of different shares never are equal.

    Args:
      device: of the parameters.
    """

    def __init__(self, device: torch.device):
        self._device = device
        self._tensors: dict[float, torch.Tensor] = {}

    def of(self, share: float) -> torch.Tensor:
        """Returns the tensor of a share, a float32 scalar."""
        if share not in self._tensors:
            self._tensors[share] = torch.zeros((), device=self._device)
        return self._tensors[share]


def set_rates(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Writes the rate into the optimizer's rate tensors, in place, each times its share."""
    for share, tensor in _rate_tensors(optimizer):
        tensor.fill_(rate * share)


def _rate_tensors(optimizer: torch.optim.Optimizer) -> Iterator[tuple[float, torch.Tensor]]:
    tensors = {id(group["lr"]): group for group in optimizer.param_groups}
    for group in tensors.values():
        yield group[RATE_SHARE], group["lr"]
