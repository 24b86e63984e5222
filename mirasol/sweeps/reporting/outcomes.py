"""What each variant of a study came to: scores, differences, cost."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Callable, Mapping

from mirasol.sweeps.reporting.answers import UnpairedError, clip_differences
from mirasol.sweeps.reporting.costs import ModelCost
from mirasol.sweeps.reporting.statistics import Difference, Summary, difference, summary
from mirasol.sweeps.reporting.study import Study, Trial, Variant


@dataclasses.dataclass(frozen=True)
class Outcome:
    """A row of the table.

    Attributes:
      variant: which one.
      scores: metric -> over the trials that are done and have it.
      differences: metric -> to the baseline; None: of the baseline itself, or no seed in common.
      seconds: mean over the done trials; None where nobody took the time.
      cost: of its model; None where it cannot be told.
    """

    variant: Variant
    scores: Mapping[str, Summary]
    differences: Mapping[str, Difference | None]
    seconds: float | None
    cost: ModelCost | None

    @property
    def planned(self) -> int:
        """Trials that there should be."""
        return len(self.variant.trials)

    def lacks(self, metric: str) -> bool:
        """Returns whether fewer trials than planned have the score."""
        return self.scores[metric].n < self.planned


def outcomes(study: Study, cost: Callable[[Variant], ModelCost | None]) -> list[Outcome]:
    """Returns a row for each variant, whether or not any trial of it is done.

    Args:
      study: with the baseline first.
      cost: what a variant's model costs.
    """
    return [_outcome(study, variant, cost(variant)) for variant in study.variants]


def scored(variant: Variant, metric: str) -> list[tuple[Trial, float]]:
    """Returns the trials that are done and have a final score, with it.

    Args:
      variant: whose trials are looked at.
      metric: task and metric, such as "av_shapes_4_joint/accuracy".
    """
    found = [(trial, trial.score(metric)) for trial in variant.done]
    return [(trial, score.value) for trial, score in found if score is not None]


def _outcome(study: Study, variant: Variant, cost: ModelCost | None) -> Outcome:
    scores = {metric: scored(variant, metric) for metric in study.metrics}
    seconds = [trial.seconds for trial in variant.done if trial.seconds is not None]
    return Outcome(
        variant=variant,
        scores={metric: summary([value for _, value in pairs]) for metric, pairs in scores.items()},
        differences={
            metric: None if variant is study.baseline else _difference(study, variant, metric)
            for metric in study.metrics
        },
        seconds=statistics.fmean(seconds) if seconds else None,
        cost=cost,
    )


def _difference(study: Study, variant: Variant, metric: str) -> Difference | None:
    """Pairs over the clips, too, where all trials that are paired kept their answers."""
    ours, theirs = _by_seed(variant, metric), _by_seed(study.baseline, metric)
    shared = sorted(ours.keys() & theirs.keys())
    scores = {seed: value for seed, (_, value) in ours.items()}
    baseline = {seed: value for seed, (_, value) in theirs.items()}
    if not shared:
        return None
    try:
        clips = clip_differences(
            [ours[seed][0] for seed in shared], [theirs[seed][0] for seed in shared], metric
        )
    except UnpairedError as reason:
        return difference(scores, baseline, None, str(reason))
    return difference(scores, baseline, clips)


def _by_seed(variant: Variant, metric: str) -> dict[int, tuple[Trial, float]]:
    return {
        trial.seed: (trial, value)
        for trial, value in scored(variant, metric)
        if trial.seed is not None
    }
