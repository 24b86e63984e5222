"""Learning rates as functions of the step."""

from __future__ import annotations

import abc
import math


class Schedule(abc.ABC):
    """The learning rate of each step; a pure function, so that it has no state to save."""

    @abc.abstractmethod
    def __call__(self, step: int) -> float:
        """Returns the rate of `step`, the first of which is 0."""


class WarmupCosine(Schedule):
    """Linear warm-up to the peak, then half a cosine down to a floor.

    TubeViT, by the same first author, warms up 10k of 300k steps; Mirasol3B does not state its own.

    Args:
      peak: the highest rate, at the end of the warm-up.
      warmup_steps: steps of the linear part.
      total_steps: the step at which the floor is reached.
      floor: lowest rate at the end, as a share of the peak.

    Raises:
      ValueError: a peak that is not above 0, or more steps of warm-up than steps in all.
    """

    def __init__(self, *, peak: float, warmup_steps: int, total_steps: int, floor: float = 0.0):
        if not isinstance(peak, int | float) or not peak > 0:
            raise ValueError(f"WarmupCosine.peak is {peak!r}; LEARNING_RATE must be above 0")
        if warmup_steps > total_steps:
            raise ValueError(
                f"WarmupCosine.warmup_steps is {warmup_steps}, more than total_steps "
                f"{total_steps}; lower WARMUP_STEPS or raise TRAIN_STEPS"
            )
        self.peak = peak
        self.warmup_steps = warmup_steps
        self.total_steps = total_steps
        self.floor = floor

    def __call__(self, step: int) -> float:
        """Returns the rate of `step`."""
        if step < self.warmup_steps:
            return self.peak * (step + 1) / self.warmup_steps
        share = (step - self.warmup_steps) / max(1, self.total_steps - self.warmup_steps)
        cosine = 0.5 * (1.0 + math.cos(math.pi * min(1.0, share)))
        return self.peak * (self.floor + (1.0 - self.floor) * cosine)
