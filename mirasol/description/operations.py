"""Counted operations of matrix products and attention, two to a multiply and add.

Counted by torch on the meta device, where nothing is computed. There attention is its two matrix
products over all pairs of query and key that it is handed, looked at or masked. What activation
checkpointing computes again counts with the backward pass.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from mirasol.batch import Batch
from mirasol.description.parts import OTHER, following
from mirasol.models.mirasol3b import Mirasol


def flops(function: Callable[[], object]) -> int:
    """Counts the operations of a function; its tensors are on the meta device."""
    with FlopCounterMode(display=False) as counter:
        function()
    return counter.get_total_flops()


def train_flops(model: nn.Module, batch: Batch) -> int:
    """Counts forward and backward of a step; model and batch on the meta device."""
    return flops(lambda: model(batch)["loss"].backward())


def flops_by_part(model: Mirasol, batch: Batch) -> tuple[Counter[str], Counter[str]]:
    """Counts forward and backward of a step by the part at work.

    Args:
      model: on the meta device; its gradients are dropped.
      batch: on the meta device.

    Returns:
      (forward, backward): part -> operations; OTHER where no part is at work.
    """
    with FlopCounterMode(display=False) as counter:
        meter = _Meter(counter)
        with following(model, meter.at_work):
            loss = model(batch)["loss"]
        forward = meter.read()
        loss.backward()
        backward = meter.read()
    model.zero_grad()
    return forward, backward


class _Meter:
    """Gives what a counter has counted since the last change to the part that was at work."""

    def __init__(self, counter: FlopCounterMode):
        self._counter = counter
        self._part = OTHER
        self._told = 0
        self._counts: Counter[str] = Counter()

    def at_work(self, part: str) -> None:
        total = self._counter.get_total_flops()
        self._counts[self._part] += total - self._told
        self._part, self._told = part, total

    def read(self) -> Counter[str]:
        """Returns the counts and begins anew."""
        self.at_work(OTHER)
        counts, self._counts = self._counts, Counter()
        return counts
