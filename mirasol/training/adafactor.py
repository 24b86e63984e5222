"""Adafactor, its step in tensors alone (Shazeer and Stern 2018, arXiv 1804.04235, algorithm 5).

torch.optim.Adafactor reads the norm of every parameter and of every update on the host (`.item()`),
two waits a parameter: under XLA a second graph in a step, which is refused, under torch.compile a
new one each step. This computes the same where it stands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from mirasol.training.groups import Rates, groups, trained
from mirasol.training.masking import give_mask, mask_of
from mirasol.training.optimizers import Optimizer, require_decay
from mirasol.training.parameter_rules import Rule
from mirasol.training.schedules import Schedule


class Adafactor(Optimizer):
    """Adafactor (Shazeer and Stern 2018): the second moment of a matrix in a row and a column.

    Next to no optimizer state, where AdamW has two numbers a parameter. Steps are relative to a
    parameter's own size, so the rate is another than AdamW's: 1e-2 is torch's, and T5's is the
    inverse square root of the step. Computed by our own step.

    Args:
      schedule: relative rate of each step; at most 1 / sqrt(step) is used.
      beta2_decay: the second moment's new value has the weight step^beta2_decay; below 0.
      eps: eps1 and eps2: least root of the second moment, which the paper's 1e-30 is the square
        of, and least size of a parameter. torch's 1e-7 for eps1 is more than the gradients of large
        models, which are clipped to a norm of 1.
      clip: largest root mean square of an update before the rate; 1 or more.
      weight_decay: decoupled decay of parameters with two dimensions or more.

    Raises:
      ValueError: a number is out of range.
    """

    def __init__(
        self,
        *,
        schedule: Schedule,
        beta2_decay: float = -0.8,
        eps: tuple[float, float] = (1e-15, 1e-3),
        clip: float = 1.0,
        weight_decay: float = 0.0,
    ):
        if not beta2_decay < 0:
            raise ValueError(f"Adafactor.beta2_decay is {beta2_decay}; it must be below 0")
        # The square of the first one must be more than 0 in float32, or 0 / 0 comes of no gradient.
        if not (eps[0] >= 1e-18 and eps[1] > 0):
            raise ValueError(f"Adafactor.eps is {eps}; it must be at least 1e-18, and above 0")
        if not clip >= 1:
            raise ValueError(f"Adafactor.clip is {clip}; it must be 1 or more")
        require_decay("Adafactor", weight_decay)
        self.schedule = schedule
        self.beta2_decay = beta2_decay
        self.eps = eps
        self.clip = clip
        self.weight_decay = weight_decay

    def build(
        self, model: nn.Module, options: Mapping[str, Any], rules: Sequence[Rule] = ()
    ) -> torch.optim.Optimizer:
        """Builds our Adafactor; the runtime's options are AdamW's and not for it."""
        parameters = trained(model, rules)
        device = parameters[0][0].device
        return AdafactorSteps(
            groups(parameters, self.weight_decay, Rates(device)),
            beta2_decay=self.beta2_decay,
            eps=self.eps,
            clip=self.clip,
            undone=torch.zeros((), device=device),
        )


class AdafactorSteps(torch.optim.Optimizer):
    """Adafactor on its groups' parameters, as torch's with the same numbers.

    With G the gradient, t the step, rms the root of the mean square:

        R, C  running means of G^2 over columns and over rows, with weight t^beta2_decay
        U   = G / sqrt(max(R C / max(mean(R), eps1), eps1^2))
        a   = max(eps2, rms(X)) min(rate, 1 / sqrt(t))
        X  -= a U / max(1, rms(U) / d)

    Vectors keep the running mean of G^2 itself.

    Args:
      groups: "params", "lr" (a scalar on the device) and "weight_decay" each.
      beta2_decay: exponent, below 0.
      eps: eps1 and eps2.
      clip: d.
      undone: the mask, see masking.py.
    """

    def __init__(
        self,
        groups: Iterable[dict[str, Any]],
        *,
        beta2_decay: float,
        eps: tuple[float, float],
        clip: float,
        undone: torch.Tensor,
    ):
        super().__init__(groups, {"beta2_decay": beta2_decay, "eps": eps, "clip": clip})
        give_mask(self, undone)
        for group in self.param_groups:
            for parameter in group["params"]:
                self.state[parameter] = _fresh_state(parameter)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Moves the parameters that have a gradient; the closure is not used."""
        undone = mask_of(self)
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    _move(parameter, self.state[parameter], group, undone)


def _fresh_state(parameter: nn.Parameter) -> dict[str, torch.Tensor]:
    step = torch.zeros((), device=parameter.device)
    if parameter.ndim < 2:
        return {"step": step, "variance": torch.zeros_like(parameter)}
    rows, columns = list(parameter.shape), list(parameter.shape)
    rows[-1] = columns[-2] = 1
    return {
        "step": step,
        "row_var": parameter.detach().new_zeros(rows),
        "col_var": parameter.detach().new_zeros(columns),
    }


def _move(
    parameter: nn.Parameter,
    state: dict[str, torch.Tensor],
    group: dict[str, Any],
    undone: torch.Tensor,
) -> None:
    assert parameter.grad is not None
    gradient = torch.where(undone > 0, 0.0, parameter.grad)
    kept = 1.0 - undone
    (eps1, eps2), rate = group["eps"], group["lr"]
    # At least 1: a first step that is undone would else raise 0 to a negative power.
    step = state["step"].add_(kept).clamp(min=1.0)
    weight = step.pow(group["beta2_decay"]) * kept
    size = _rms(parameter).clamp(min=eps2) * torch.minimum(rate, step.rsqrt())
    variance = _variance(gradient, state, weight, eps1)
    update = variance.clamp_(min=eps1 * eps1).rsqrt_().mul_(gradient)
    loudness = (_rms(update) / group["clip"]).clamp(min=1.0)
    parameter.mul_(1.0 - rate * group["weight_decay"] * kept)
    parameter.sub_(update.mul_(size / loudness * kept))


def _variance(
    gradient: torch.Tensor, state: dict[str, torch.Tensor], weight: torch.Tensor, eps1: float
) -> torch.Tensor:
    """Takes the gradient into the running means; returns their estimate of its square."""
    square = gradient.square()
    if gradient.ndim < 2:
        return state["variance"].lerp_(square, weight).clone()
    row = state["row_var"].lerp_(_mean(square, -1), weight)
    column = state["col_var"].lerp_(_mean(square, -2), weight)
    return (row * column).div_(_mean(row, -2).clamp(min=eps1))


def _mean(tensor: torch.Tensor, dim: int) -> torch.Tensor:
    """Returns the mean over a dimension, which is kept.

    A DTensor's own mean is that of its pieces' means, whatever their sizes, and NaN where one is
    empty; sums are right.
    """
    return tensor.sum(dim=dim, keepdim=True) / tensor.shape[dim]


def _rms(tensor: torch.Tensor) -> torch.Tensor:
    return (tensor.square().sum() / tensor.numel()).sqrt()
