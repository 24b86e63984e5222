"""Which parameters the trainer's rules change, and how much of the model is trained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn

from mirasol.checkpoint.state import plain_name
from mirasol.training.parameter_rules import Rule, Treatment


def trained(model: nn.Module, rules: Sequence[Rule]) -> dict[str, Any]:
    """Returns {"rules": [{"rule", "names", "parameters"}], "trained", "frozen"}; counts of numbers.

    Args:
      model: on any device, also on "meta".
      rules: of the trainer, in order.
    """
    sizes = {plain_name(name): each.numel() for name, each in model.named_parameters()}
    found = {name: Treatment() for name in sizes}
    told = []
    for rule in rules:
        changed = rule.changed(found)
        found |= changed
        count = sum(sizes[name] for name in changed)
        told.append({"rule": str(rule), "names": list(changed), "parameters": count})
    frozen = sum(sizes[name] for name, each in found.items() if each.frozen)
    return {"rules": told, "trained": sum(sizes.values()) - frozen, "frozen": frozen}
