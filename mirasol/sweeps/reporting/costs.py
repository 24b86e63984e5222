"""What a variant's model costs, told from its configuration; nothing is trained or timed."""

from __future__ import annotations

import dataclasses

from mirasol import workdirs
from mirasol.config import Spec
from mirasol.sweeps.reporting.study import Variant


@dataclasses.dataclass(frozen=True)
class ModelCost:
    """What `describe` tells of an experiment.

    Attributes:
      parameters: numbers that are trained.
      step_bytes: the most memory that a training step holds: parameters, gradients, optimizer,
        batch, activations.
      forward_flops: operations of one example, forward.
      backward_flops: backward.
    """

    parameters: int
    step_bytes: int
    forward_flops: int
    backward_flops: int


def told_cost(variant: Variant) -> ModelCost | None:
    """Returns the cost of a variant's model; None where no trial of it can be read any more.

    The configuration is that of the first trial that has one; seeds change no size.
    """
    spec = spec_of(variant)
    return None if spec is None else _described(spec)


def spec_of(variant: Variant) -> Spec | None:
    """Returns a variant's experiment; None where no workdir has one that this code can read."""
    for trial in variant.trials:
        try:
            return workdirs.read(trial.workdir)
        except ValueError:  # No run there, or of other code.
            continue
    return None


def _described(spec: Spec) -> ModelCost | None:
    from mirasol.description.report import describe  # Imports torch.

    try:
        found = describe(spec)
    except ValueError:  # Parts that this code would refuse.
        return None
    total = found["total"]
    return ModelCost(
        parameters=total["parameters"],
        step_bytes=sum(found["memory"].values()),
        forward_flops=total["forward_flops"],
        backward_flops=total["backward_flops"],
    )
