"""Optimizers as configuration: what to build, before there are parameters to build it on."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from mirasol.training.schedules import Schedule

_LEAST_RATE = 1e-20


class Optimizer(abc.ABC):
    """A recipe for a torch optimizer and its learning rate.

    Attributes:
      schedule: the learning rate of each step.
    """

    schedule: Schedule

    @abc.abstractmethod
    def build(self, model: nn.Module, options: Mapping[str, Any]) -> torch.optim.Optimizer:
        """Builds the optimizer on the model's parameters, its state included.

        Args:
          model: on its device already.
          options: what the runtime asks of torch's optimizer (fused, capturable).
        """

    def set_rate(self, optimizer: torch.optim.Optimizer, step: int) -> None:
        """Writes the rate of `step` into the optimizer, in place.

        In place, because a compiled step holds the tensor: a new number would be a new graph.
        Never exactly 0, where torch's capturable AdamW divides by it.
        """
        for group in optimizer.param_groups:
            group["lr"].fill_(max(self.schedule(step), _LEAST_RATE))


class AdamW(Optimizer):
    """AdamW (Loshchilov and Hutter 2019) with decay on matrices alone.

    Args:
      schedule: learning rate of each step.
      betas: decay of the two moments.
      eps: added to the root of the second moment.
      weight_decay: decoupled decay of parameters with two dimensions or more; norms, biases and
        single vectors have none.
    """

    def __init__(
        self,
        *,
        schedule: Schedule,
        betas: tuple[float, float] = (0.9, 0.98),
        eps: float = 1e-8,
        weight_decay: float = 0.05,
    ):
        self.schedule = schedule
        self.betas = betas
        self.eps = eps
        self.weight_decay = weight_decay

    def build(self, model: nn.Module, options: Mapping[str, Any]) -> torch.optim.Optimizer:
        """Builds torch's AdamW with zero moments, so that the first step is like every other."""
        parameters = [p for p in model.parameters() if p.requires_grad]
        groups = [
            {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": self.weight_decay},
            {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
        ]
        rate = torch.zeros((), device=parameters[0].device)
        optimizer = torch.optim.AdamW(groups, lr=rate, betas=self.betas, eps=self.eps, **options)
        for parameter in parameters:
            optimizer.state[parameter] = {
                "step": torch.zeros((), device=parameter.device),
                "exp_avg": torch.zeros_like(parameter),
                "exp_avg_sq": torch.zeros_like(parameter),
            }
        return optimizer
