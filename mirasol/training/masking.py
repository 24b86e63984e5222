"""Steps of an optimizer that can be undone without the host: the mask that all of ours have.

A scalar on the device, 0 or 1, float32. Where it is 1, a step changes nothing, whatever the
gradients are, NaN too: neither parameters nor moments nor counts of steps. Written in place before
each step, so a compiled step holds it as an input.

It goes by the name under which torch's fused kernels look for it, `found_inf`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch

_NAME = "found_inf"


def give_mask(optimizer: torch.optim.Optimizer, undone: torch.Tensor | None) -> None:
    """Gives an optimizer its mask; None: has it show none."""
    vars(optimizer)[_NAME] = undone


def mask_of(optimizer: torch.optim.Optimizer) -> torch.Tensor:
    """Returns the optimizer's mask."""
    return vars(optimizer)[_NAME]


class UndoableAdamW(torch.optim.AdamW):
    """torch's AdamW with the mask where torch has it in no kernel: for all but the fused one.

    What was there before is put back where the mask says so. A compiler makes one pass of step and
    choice; eager, it takes a copy of all parameters and their state.
    """

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """See torch; the closure is not used."""
        undone = mask_of(self)
        live = list(self._live())
        before = [tensor.clone() for tensor in live]
        give_mask(self, None)  # The other kernels refuse to see one.
        super().step()
        give_mask(self, undone)
        for tensor, old in zip(live, before, strict=True):
            tensor.copy_(torch.where(undone > 0, old, tensor))

    def _live(self) -> Iterator[torch.Tensor]:
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    yield parameter
                    yield from self.state[parameter].values()


class Joined(torch.optim.Optimizer):
    """Several optimizers as one; their groups and states are its own.

    Args:
      parts: each with its state, and parameters that no other has.
    """

    def __init__(self, parts: Iterable[torch.optim.Optimizer]):
        self.parts = list(parts)
        super().__init__([group for part in self.parts for group in part.param_groups], {})
        for part in self.parts:
            self.state.update(part.state)
        give_mask(self, mask_of(self.parts[0]))

    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Takes the step of each; the closure is not used."""
        for part in self.parts:
            part.step()
