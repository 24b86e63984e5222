"""Learning rates as functions of the step, the first of which is 0.

With s the step, w the warm-up, n all steps, p the peak and f the floor:

    all, s < w            p (s + 1) / w
    Constant              p
    WarmupLinear          p (f + (1 - f) (1 - (s - w) / (n - w)))
    WarmupCosine          p (f + (1 - f) (1 + cos(pi (s - w) / (n - w))) / 2)
    InverseSquareRoot     p sqrt(t / max(s, t)), t the time scale, by default w
    WarmupStableDecay     p, until d steps are left; then p (f + (1 - f) shape((s - n + d) / d))

After n the last rate stays.
"""

from __future__ import annotations

import abc
import math
from typing import Literal

from mirasol.numbers import require_positive


class Schedule(abc.ABC):
    """The learning rate of each step; a pure function, so that it has no state to save."""

    @abc.abstractmethod
    def __call__(self, step: int) -> float:
        """Returns the rate of `step`, the first of which is 0."""


class Constant(Schedule):
    """One rate, after a linear warm-up.

    Args:
      peak: the rate.
      warmup_steps: steps of the linear part.

    Raises:
      ValueError: a peak that is not above 0.
    """

    def __init__(self, *, peak: float, warmup_steps: int = 0):
        _check("Constant", peak, warmup_steps)
        self.peak = peak
        self.warmup_steps = warmup_steps

    def __call__(self, step: int) -> float:
        """Returns the rate of `step`."""
        return self.peak * _warmth(step, self.warmup_steps)


class WarmupLinear(Schedule):
    """Linear warm-up to the peak, then a straight line down to a floor.

    Args:
      peak: the highest rate, at the end of the warm-up.
      warmup_steps: steps of the linear part.
      total_steps: the step at which the floor is reached.
      floor: lowest rate at the end, as a share of the peak.

    Raises:
      ValueError: a peak that is not above 0, or more steps of warm-up than steps in all.
    """

    def __init__(self, *, peak: float, warmup_steps: int, total_steps: int, floor: float = 0.0):
        _check("WarmupLinear", peak, warmup_steps, total_steps, floor)
        self.peak = peak
        self.warmup_steps = warmup_steps
        self.total_steps = total_steps
        self.floor = floor

    def __call__(self, step: int) -> float:
        """Returns the rate of `step`."""
        if step < self.warmup_steps:
            return self.peak * _warmth(step, self.warmup_steps)
        left = 1.0 - _share(step, self.warmup_steps, self.total_steps)
        return self.peak * (self.floor + (1.0 - self.floor) * left)


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
        _check("WarmupCosine", peak, warmup_steps, total_steps, floor)
        self.peak = peak
        self.warmup_steps = warmup_steps
        self.total_steps = total_steps
        self.floor = floor

    def __call__(self, step: int) -> float:
        """Returns the rate of `step`."""
        if step < self.warmup_steps:
            return self.peak * _warmth(step, self.warmup_steps)
        share = _share(step, self.warmup_steps, self.total_steps)
        cosine = 0.5 * (1.0 + math.cos(math.pi * share))
        return self.peak * (self.floor + (1.0 - self.floor) * cosine)


class InverseSquareRoot(Schedule):
    """Linear warm-up to the peak, then the inverse root of the step, without an end (T5).

    T5X's factors "constant * linear_warmup * rsqrt_normalized_decay"; without the norm, as in T5's
    pre-training at 1 / sqrt(max(step, 10,000)), the peak is 1 / sqrt(10,000).

    Args:
      peak: the highest rate, at the end of the warm-up.
      warmup_steps: steps of the linear part.
      time_scale: the rate is half the peak at four times this step; None: the warm-up.

    Raises:
      ValueError: a peak that is not above 0, neither warm-up nor time scale, or a time scale that
        is less than the warm-up.
    """

    def __init__(self, *, peak: float, warmup_steps: int, time_scale: int | None = None):
        _check("InverseSquareRoot", peak, warmup_steps)
        require_positive("InverseSquareRoot", time_scale=time_scale)
        if time_scale is None and not warmup_steps:
            raise ValueError("InverseSquareRoot.time_scale is None; without warm-up it is needed")
        if time_scale is not None and time_scale < warmup_steps:
            raise ValueError(
                f"InverseSquareRoot.time_scale is {time_scale} and warmup_steps {warmup_steps}: "
                "time_scale must be at least that, or the rate drops at the end of the warm-up"
            )
        self.peak = peak
        self.warmup_steps = warmup_steps
        self.time_scale = warmup_steps if time_scale is None else time_scale

    def __call__(self, step: int) -> float:
        """Returns the rate of `step`."""
        if step < self.warmup_steps:
            return self.peak * _warmth(step, self.warmup_steps)
        return self.peak * math.sqrt(self.time_scale / max(step, self.time_scale))


class WarmupStableDecay(Schedule):
    """Linear warm-up to the peak, the peak, and a decay over the last steps (arXiv 2404.06395;
    the linear and the root decay are those of arXiv 2405.18392).

    What is trained at the peak can be trained on: a longer run differs from a shorter one in its
    decay alone.

    Args:
      peak: the highest rate.
      warmup_steps: steps of the linear part.
      total_steps: the step at which the floor is reached.
      decay_steps: the last steps, in which the rate falls; None: a tenth of all.
      shape: of the fall: "linear", "sqrt" (1 - sqrt of the share gone) or "cosine".
      floor: lowest rate at the end, as a share of the peak.

    Raises:
      ValueError: a peak that is not above 0, or more steps of warm-up and decay than in all.
    """

    def __init__(
        self,
        *,
        peak: float,
        warmup_steps: int,
        total_steps: int,
        decay_steps: int | None = None,
        shape: Literal["linear", "sqrt", "cosine"] = "linear",
        floor: float = 0.0,
    ):
        _check("WarmupStableDecay", peak, warmup_steps, total_steps, floor)
        require_positive("WarmupStableDecay", decay_steps=decay_steps)
        decay_steps = math.ceil(total_steps / 10) if decay_steps is None else decay_steps
        if warmup_steps + decay_steps > total_steps:
            raise ValueError(
                f"WarmupStableDecay.decay_steps is {decay_steps} and warmup_steps {warmup_steps}, "
                f"together more than total_steps {total_steps}; lower one of them"
            )
        self.peak = peak
        self.warmup_steps = warmup_steps
        self.total_steps = total_steps
        self.decay_steps = decay_steps
        self.shape = _SHAPES[shape]
        self.floor = floor

    def __call__(self, step: int) -> float:
        """Returns the rate of `step`."""
        if step < self.warmup_steps:
            return self.peak * _warmth(step, self.warmup_steps)
        share = _share(step, self.total_steps - self.decay_steps, self.total_steps)
        return self.peak * (self.floor + (1.0 - self.floor) * self.shape(share))


_SHAPES = {
    "linear": lambda share: 1.0 - share,
    "sqrt": lambda share: 1.0 - math.sqrt(share),
    "cosine": lambda share: 0.5 * (1.0 + math.cos(math.pi * share)),
}


def _warmth(step: int, warmup_steps: int) -> float:
    return (step + 1) / warmup_steps if step < warmup_steps else 1.0


def _share(step: int, first: int, last: int) -> float:
    """Returns how far a step is from `first` to `last`, in [0, 1]."""
    return min(1.0, max(0.0, (step - first) / max(1, last - first)))


def _check(
    owner: str, peak: float, warmup_steps: int, total_steps: int | None = None, floor: float = 0.0
) -> None:
    if not isinstance(peak, int | float) or not peak > 0:
        raise ValueError(f"{owner}.peak is {peak!r}; LEARNING_RATE must be above 0")
    if warmup_steps < 0:
        raise ValueError(f"{owner}.warmup_steps is {warmup_steps}; WARMUP_STEPS must be 0 or more")
    if total_steps is not None and warmup_steps > total_steps:
        raise ValueError(
            f"{owner}.warmup_steps is {warmup_steps}, more than total_steps "
            f"{total_steps}; lower WARMUP_STEPS or raise TRAIN_STEPS"
        )
    if not 0 <= floor <= 1:
        raise ValueError(f"{owner}.floor is {floor}; it must be in [0, 1], a share of the peak")
