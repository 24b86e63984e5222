"""Muon, its step in tensors alone (Jordan et al. 2024; "Muon is Scalable", arXiv 2502.16982).

torch.optim.Muon takes its rate as the factor of an addition, which torch reads on the host when it
is a tensor: a wait a parameter on CUDA, and on XLA the rate as a constant of the graph, so a new
graph each step. This computes the same where it stands.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, cast

import torch
from torch import nn
from torch.distributed.tensor import DTensor, Replicate

from mirasol.checkpoint.state import plain_name
from mirasol.checkpoint.tensor_names import matches
from mirasol.named import TensorNames
from mirasol.numbers import require_positive
from mirasol.training.groups import Rates, Trained, groups, trained
from mirasol.training.masking import Joined, give_mask, mask_of
from mirasol.training.optimizers import Optimizer, adamw_steps, require_decay
from mirasol.training.parameter_rules import Rule, named
from mirasol.training.schedules import Schedule

Adjustment = Literal["original", "match_rms_adamw"]
# Of the quintic a x + b x^3 + c x^5 that takes singular values towards 1: Jordan's, as torch has.
_A, _B, _C = 3.4445, -4.7750, 2.0315
_LEAST_NORM = 1e-7


class Muon(Optimizer):
    """Muon (Jordan et al. 2024) for the matrices of linear layers, AdamW for everything else.

    AdamW has: vectors, what is learned besides layers (positions, queries), embeddings, and an
    output layer, which is a matrix of an embedding's shape. Muon keeps one moment in place of two.
    Computed by our own step.

    Args:
      schedule: learning rate of each step, of both.
      momentum: of Muon's running mean of gradients.
      nesterov: whether the newest gradient counts once more.
      iterations: of Newton and Schulz towards an orthogonal matrix.
      adjustment: how a step grows with a matrix; with "match_rms_adamw" it is about as large as
        AdamW's, so that both share a rate; with "original" Muon wants a rate of its own, some 0.02.
      adamw: patterns of names of matrices that AdamW is to have, too.
      betas: AdamW's.
      eps: AdamW's.
      weight_decay: decoupled decay of parameters with two dimensions or more.

    Raises:
      ValueError: a number is out of range.
    """

    def __init__(
        self,
        *,
        schedule: Schedule,
        momentum: float = 0.95,
        nesterov: bool = True,
        iterations: int = 5,
        adjustment: Adjustment = "match_rms_adamw",
        adamw: Sequence[TensorNames] = (),
        betas: tuple[float, float] = (0.9, 0.98),
        eps: float = 1e-8,
        weight_decay: float = 0.05,
    ):
        require_positive("Muon", iterations=iterations)
        if not 0 <= momentum < 1:
            raise ValueError(f"Muon.momentum is {momentum}; it must be in [0, 1)")
        require_decay("Muon", weight_decay)
        self.schedule = schedule
        self.momentum, self.nesterov, self.iterations = momentum, nesterov, iterations
        self.adjustment = adjustment
        self.adamw = adamw
        self.betas, self.eps = betas, eps
        self.weight_decay = weight_decay

    def check(self, model: nn.Module) -> None:
        """See Optimizer."""
        names = {plain_name(name): None for name, _ in model.named_parameters()}
        for pattern in self.adamw:
            named("Muon.adamw", pattern, names)

    def build(
        self, model: nn.Module, options: Mapping[str, Any], rules: Sequence[Rule] = ()
    ) -> torch.optim.Optimizer:
        """Builds both as one optimizer; the runtime's options are for AdamW's share."""
        parameters = trained(model, rules)
        device = parameters[0][0].device
        rates, undone = Rates(device), torch.zeros((), device=device)
        chosen = _matrices(model, self.adamw)
        matrices = [each for each in parameters if id(each[0]) in chosen]
        rest = [each for each in parameters if id(each[0]) not in chosen]
        parts: list[torch.optim.Optimizer] = []
        if matrices:
            parts.append(self._muon(matrices, rates, undone))
        if rest:
            found = groups(rest, self.weight_decay, rates)
            parts.append(adamw_steps(found, self.betas, self.eps, options, undone))
        return Joined(parts)

    def _muon(self, matrices: list[Trained], rates: Rates, undone: torch.Tensor) -> MuonSteps:
        return MuonSteps(
            groups(matrices, self.weight_decay, rates),
            momentum=self.momentum,
            nesterov=self.nesterov,
            iterations=self.iterations,
            adjustment=self.adjustment,
            undone=undone,
        )


class MuonSteps(torch.optim.Optimizer):
    """Muon on its groups' matrices, as torch's with the same numbers.

        B  = momentum B + (1 - momentum) G
        O  = the nearest matrix to B (or the Nesterov mean of G and B) with singular values near 1
        X -= rate (weight_decay X + scale O)

    Args:
      groups: "params" with two dimensions each, "lr" (a scalar on the device), "weight_decay".
      momentum: of the running mean.
      nesterov: whether O is of the mean of gradient and running mean.
      iterations: of Newton and Schulz, in bfloat16.
      adjustment: scale for a matrix [A, B]; "original": sqrt(max(1, A / B)); "match_rms_adamw":
        0.2 sqrt(max(A, B)), with which AdamW's rate and decay fit.
      undone: the mask, see masking.py.
    """

    def __init__(
        self,
        groups: Iterable[dict[str, Any]],
        *,
        momentum: float,
        nesterov: bool,
        iterations: int,
        adjustment: Adjustment,
        undone: torch.Tensor,
    ):
        numbers = {"momentum": momentum, "nesterov": nesterov, "iterations": iterations}
        super().__init__(groups, {**numbers, "scale": _SCALES[adjustment]})
        give_mask(self, undone)
        for group in self.param_groups:
            for parameter in group["params"]:
                self.state[parameter] = {"momentum_buffer": torch.zeros_like(parameter)}

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Moves the matrices that have a gradient; the closure is not used."""
        undone = mask_of(self)
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    _move(parameter, self.state[parameter], group, undone)


def _move(
    parameter: nn.Parameter,
    state: dict[str, torch.Tensor],
    group: dict[str, Any],
    undone: torch.Tensor,
) -> None:
    assert parameter.grad is not None
    gradient = torch.where(undone > 0, 0.0, parameter.grad)
    rate, momentum = group["lr"] * (1.0 - undone), group["momentum"]
    mean = state["momentum_buffer"].lerp_(gradient, (1.0 - momentum) * (1.0 - undone))
    update = gradient.lerp(mean, momentum) if group["nesterov"] else mean
    direction = _direction(update, group["iterations"]).to(parameter.dtype)
    parameter.mul_(1.0 - rate * group["weight_decay"])
    parameter.sub_(direction * (rate * group["scale"](*parameter.shape)))


def _direction(update: torch.Tensor, iterations: int) -> torch.Tensor:
    """Returns `orthogonal` of an update, lying as it does.

    Of one in pieces over processes each gathers all, once: products of pieces would have them talk
    several times an iteration, and round partial sums to bfloat16.
    """
    if not isinstance(update, DTensor):
        return orthogonal(update, iterations)
    mesh = update.device_mesh
    whole = cast(DTensor, update.bfloat16()).full_tensor()
    found = orthogonal(whole, iterations)
    everywhere = DTensor.from_local(found, mesh, [Replicate()] * mesh.ndim, run_check=False)
    return everywhere.redistribute(placements=update.placements)


def orthogonal(matrix: torch.Tensor, iterations: int) -> torch.Tensor:
    """Returns U V^T of the matrix's U S V^T, nearly: singular values between about 0.7 and 1.2.

    Args:
      matrix: [A, B].
      iterations: 5 is usual.

    Returns:
      bfloat16 [A, B]; zeros of zeros.
    """
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.bfloat16()
    x = x.T if tall else x
    x = x / x.norm().clamp(min=_LEAST_NORM)
    for _ in range(iterations):
        gram = x @ x.T
        # The factors by hand: for an `addmm` that has them torch_xla goes back to the host.
        x = torch.addmm(_A * x, torch.addmm(_B * gram, _C * gram, gram), x)
    return x.T if tall else x


def _original(rows: int, columns: int) -> float:
    return math.sqrt(max(1.0, rows / columns))


def _match_rms_adamw(rows: int, columns: int) -> float:
    return 0.2 * math.sqrt(max(rows, columns))


_SCALES: dict[str, Callable[[int, int], float]] = {
    "original": _original,
    "match_rms_adamw": _match_rms_adamw,
}


def _matrices(model: nn.Module, left_out: Sequence[str]) -> set[int]:
    """Returns the ids of the weights of linear layers within the model."""
    embeddings = [each.weight for each in model.modules() if isinstance(each, nn.Embedding)]
    shapes = {each.shape for each in embeddings}
    linear = {id(each.weight) for each in model.modules() if isinstance(each, nn.Linear)}
    return {
        id(parameter)
        for name, parameter in model.named_parameters()
        if id(parameter) in linear
        and parameter.shape not in shapes
        and not matches(plain_name(name), left_out)
    }
