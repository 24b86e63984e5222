"""Means over seeds, and paired differences with bootstrap intervals.

A difference is of two variants that were trained with the same seeds and answered the same
questions, so what is hard for both cancels out. What chance decides is which seeds were taken and
which clips were asked about; the interval draws both anew, each with replacement and apart from the
other (the pigeonhole bootstrap: Owen, Annals of Applied Statistics 2007):

                 clip 1  clip 2  clip 3         one draw: seeds (0, 2, 2), clips (3, 1, 1)
    seed 0         +1       0      -2
    seed 1          0      +1       0           difference = sum over the drawn seeds and clips
    seed 2         +1       0      -1                        / questions of the drawn clips, seeds

A cell counts answers: those right of the variant, less those right of the baseline. Questions about
one clip stand or fall together, so whole clips are drawn (mirasol/evaluation/metrics.py).
"""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Mapping, Sequence

import numpy as np

RESAMPLES = 2000
SEED = 0
LEVELS = (0.025, 0.975)
# Indices drawn at once: bounds the memory for a set of any size.
_DRAWN_AT_ONCE = 2_000_000

# What the interval draws anew.
CLIPS_AND_SEEDS, CLIPS, SEEDS, NOTHING = "clips and seeds", "clips", "seeds", "nothing"
EXACT = "nothing, for nothing differs"


@dataclasses.dataclass(frozen=True)
class Summary:
    """Scores over seeds.

    Attributes:
      n: seeds that have a score.
      mean: of them; None where there is none.
      deviation: standard deviation of a seed, with n - 1; None below two seeds.
    """

    n: int
    mean: float | None
    deviation: float | None


@dataclasses.dataclass(frozen=True)
class Difference:
    """A variant less the baseline, seed by seed.

    Attributes:
      value: mean over the seeds that both have.
      low, high: 95 % interval; None where nothing can be drawn anew (one seed, no answers kept).
      over: what the interval draws anew.
      seeds: pairs of trials.
      clips: pairs of clips; 0 where they are not paired.
      remark: why clips are not paired; "" where they are.
    """

    value: float
    low: float | None
    high: float | None
    over: str
    seeds: int
    clips: int
    remark: str = ""


@dataclasses.dataclass(frozen=True)
class ClipDifferences:
    """What two variants answered about the same clips, seed by seed.

    Attributes:
      right_SC: float64 [seeds, clips], right answers of the variant less those of the baseline.
      asked_C: float64 [clips], questions about each.
    """

    right_SC: np.ndarray
    asked_C: np.ndarray


def summary(values: Sequence[float]) -> Summary:
    """Returns mean and standard deviation of the seeds' scores."""
    return Summary(
        n=len(values),
        mean=statistics.fmean(values) if values else None,
        deviation=statistics.stdev(values) if len(values) > 1 else None,
    )


def difference(
    ours: Mapping[int, float],
    baseline: Mapping[int, float],
    clips: ClipDifferences | None,
    remark: str = "",
) -> Difference | None:
    """Returns the paired difference; None where the two have no seed in common.

    Args:
      ours: seed -> score of the variant.
      baseline: seed -> score of the baseline.
      clips: of the seeds in common, in ascending order; None: the interval is over seeds alone.
      remark: why there are no clips.
    """
    shared = sorted(ours.keys() & baseline.keys())
    if not shared:
        return None
    each_S = np.array([ours[seed] - baseline[seed] for seed in shared])
    seeds, value = len(shared), float(each_S.mean())
    if clips is None:
        low, high = seed_interval(each_S) if seeds > 1 else (None, None)
        over = SEEDS if seeds > 1 else NOTHING
        return Difference(value, low, high, over, seeds, 0, remark)
    low, high = clip_interval(clips)
    over = CLIPS_AND_SEEDS if seeds > 1 else CLIPS
    if len(clips.asked_C) > 1 and not clips.right_SC.any():
        over = EXACT
    return Difference(value, low, high, over, seeds, len(clips.asked_C))


def clip_interval(clips: ClipDifferences) -> tuple[float, float]:
    """Returns the 95 % interval of the difference, drawing seeds and whole clips.

    Where in no clip the number of right answers differs, every draw gives 0 and the bootstrap would
    claim certainty; there the bound is the exact binomial one on the share of clips that differ,
    1 - 0.025^(1/clips). One clip says nothing about others: -1 to 1.
    """
    right_SC, asked_C = clips.right_SC, clips.asked_C
    seeds, count = right_SC.shape
    if count < 2:
        return -1.0, 1.0
    if not right_SC.any():
        reach = 1.0 - 0.025 ** (1.0 / count)
        return -reach, reach
    generator = np.random.default_rng(SEED)
    rows = max(1, _DRAWN_AT_ONCE // count)
    drawn = []
    for first in range(0, RESAMPLES, rows):
        size = min(rows, RESAMPLES - first)
        # How often each is drawn is all that matters of a draw.
        seeds_RS = generator.multinomial(seeds, np.full(seeds, 1 / seeds), size)
        clips_RC = generator.multinomial(count, np.full(count, 1 / count), size)
        right_R = ((seeds_RS @ right_SC) * clips_RC).sum(axis=1)
        drawn.append(right_R / (seeds * (clips_RC @ asked_C)))
    low, high = np.quantile(np.concatenate(drawn), LEVELS)
    return float(low), float(high)


def seed_interval(each_S: np.ndarray) -> tuple[float, float]:
    """Returns the 95 % interval of the mean of the seeds' differences, drawing seeds.

    With the few seeds that one can afford it is too narrow: of two or three it is their range, and
    no draw lies beyond the seeds that were seen.
    """
    generator = np.random.default_rng(SEED)
    drawn_RS = generator.integers(len(each_S), size=(RESAMPLES, len(each_S)))
    low, high = np.quantile(each_S[drawn_RS].mean(axis=1), LEVELS)
    return float(low), float(high)
