"""What is told of a run's speed besides examples a second: use of the device, memory."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

Measures = Callable[[int, float], dict[str, float]]
"""(step, examples a second) -> values for `speed.jsonl`."""

UTILISATION, PEAK_MEMORY = "model_flops_utilisation", "peak_memory_bytes"


@dataclasses.dataclass(frozen=True, kw_only=True)
class DeviceMeasures:
    """How well the device is used, as far as it is known.

    Attributes:
      operations: (step) -> operations of one example of the step, forward and backward, as
        `describe` counts them; not asked where the peak is not known.
      peak_flops: operations a second of all devices together; None: not known.
      peak_memory: the most bytes in use so far; gives None where that is not known.
    """

    operations: Callable[[int], int]
    peak_flops: float | None
    peak_memory: Callable[[], int | None]

    def __call__(self, step: int, examples_per_s: float) -> dict[str, float]:
        """Returns the values of an interval that ends with `step`."""
        found: dict[str, float] = {}
        if self.peak_flops is not None:
            found[UTILISATION] = self.operations(step) * examples_per_s / self.peak_flops
        memory = self.peak_memory()
        if memory is not None:
            found[PEAK_MEMORY] = memory
        return found


def only_the_rate(step: int, examples_per_s: float) -> dict[str, float]:
    """Returns nothing."""
    return {}


def told(measures: Mapping[str, float]) -> str:
    """Returns the measures for the progress line."""
    text = f", {measures[UTILISATION]:.1%} of the peak" if UTILISATION in measures else ""
    return text + (f", {measures[PEAK_MEMORY] / 1e9:.1f} GB" if PEAK_MEMORY in measures else "")
