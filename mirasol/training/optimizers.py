"""Optimizers as configuration: what to build, before there are parameters to build it on."""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from mirasol.training.groups import Rates, groups, set_rates, trained
from mirasol.training.masking import UndoableAdamW, give_mask
from mirasol.training.parameter_rules import Rule
from mirasol.training.schedules import Schedule

_LEAST_RATE = 1e-20


class Optimizer(abc.ABC):
    """A recipe for a torch optimizer and its learning rate.

    Attributes:
      schedule: the learning rate of each step.
    """

    schedule: Schedule

    @abc.abstractmethod
    def build(
        self, model: nn.Module, options: Mapping[str, Any], rules: Sequence[Rule] = ()
    ) -> torch.optim.Optimizer:
        """Builds the optimizer on the model's parameters, its state and its mask included.

        All state is born here, zeros of the parameters' own kind, so that the first step is like
        every other.

        Args:
          model: on its device already.
          options: what the runtime asks of torch's AdamW (fused, capturable).
          rules: which parameters are trained otherwise, or not at all.
        """

    def check(self, model: nn.Module) -> None:
        """Raises ValueError where the recipe names parameters that the model has not."""
        return

    def set_rate(self, optimizer: torch.optim.Optimizer, step: int) -> None:
        """Writes the rate of `step` into the optimizer, in place.

        In place, because a compiled step holds the tensor: a new number would be a new graph.
        Never exactly 0, where torch's capturable AdamW divides by it.
        """
        set_rates(optimizer, max(self.schedule(step), _LEAST_RATE))


class AdamW(Optimizer):
    """AdamW (Loshchilov and Hutter 2019) with decay on matrices alone.

    Args:
      schedule: learning rate of each step.
      betas: decay of the two moments.
      eps: added to the root of the second moment.
      weight_decay: decoupled decay of parameters with two dimensions or more; norms, biases and
        single vectors have none.

    Raises:
      ValueError: a decay below 0.
    """

    def __init__(
        self,
        *,
        schedule: Schedule,
        betas: tuple[float, float] = (0.9, 0.98),
        eps: float = 1e-8,
        weight_decay: float = 0.05,
    ):
        require_decay("AdamW", weight_decay)
        self.schedule = schedule
        self.betas = betas
        self.eps = eps
        self.weight_decay = weight_decay

    def build(
        self, model: nn.Module, options: Mapping[str, Any], rules: Sequence[Rule] = ()
    ) -> torch.optim.Optimizer:
        """Builds torch's AdamW, fused where the runtime asks for it."""
        parameters = trained(model, rules)
        device = parameters[0][0].device
        found = groups(parameters, self.weight_decay, Rates(device))
        return adamw_steps(found, self.betas, self.eps, options, torch.zeros((), device=device))


def adamw_steps(
    found: list[dict[str, Any]],
    betas: tuple[float, float],
    eps: float,
    options: Mapping[str, Any],
    undone: torch.Tensor,
) -> torch.optim.Optimizer:
    """Builds torch's AdamW with zero moments.

    Args:
      found: groups of parameters, each with its rate and decay.
      betas, eps: see AdamW.
      options: what the runtime asks for.
      undone: the mask, see masking.py.
    """
    kind = torch.optim.AdamW if options.get("fused") else UndoableAdamW
    # For its checks alone: every group has a rate of its own.
    optimizer = kind(found, lr=found[0]["lr"], betas=betas, eps=eps, **options)
    give_mask(optimizer, undone)
    for group in found:
        for parameter in group["params"]:
            optimizer.state[parameter] = {
                "step": torch.zeros((), device=parameter.device),
                "exp_avg": torch.zeros_like(parameter),
                "exp_avg_sq": torch.zeros_like(parameter),
            }
    return optimizer


def require_decay(owner: str, weight_decay: float) -> None:
    """Checks that a decay is no growth."""
    if not weight_decay >= 0:
        raise ValueError(f"{owner}.weight_decay is {weight_decay}; it must be 0 or more")
