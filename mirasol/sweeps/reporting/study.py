"""What a report is about: variants, and of each the trials that were planned.

    Study -> Variant (a row of the table) -> Trial (a seed of it) -> workdir

A trial that is not done keeps its place, with the reason, so that nothing is averaged over fewer
seeds than planned without being said.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

from mirasol.spelling import nearest
from mirasol.sweeps.reporting import workdir_files
from mirasol.sweeps.reporting.workdir_files import Score

DONE, CUT_OFF, MISSING = "done", "cut off", "missing"
BESIDE = "Beside the plan"  # A fact: trials that lie in the folder and do not count.


@dataclasses.dataclass(frozen=True)
class Trial:
    """One training of a variant.

    Attributes:
      seed: of the run; None where it is not known.
      workdir: its files; of a trial that never ran not there.
      state: of records.State; "cut off" where a trial says running and nobody works on it;
        "missing" where a run lacks its record or its last scores.
      reason: why it is not done; "" for one that is.
      seconds: of all attempts together; None where nobody took the time of all.
      steps: at the last of which its scores stand; None where it is not known.
      stale: whether its source files differed from those of the sweep's last submit.
    """

    seed: int | None
    workdir: Path
    state: str
    reason: str = ""
    seconds: float | None = None
    stale: bool = False
    steps: int | None = None

    @property
    def done(self) -> bool:
        """Whether it came to its end with all its scores."""
        return self.state == DONE

    def score(self, metric: str) -> Score | None:
        """Returns "TASK/METRIC" at the trial's end, None where it was not counted."""
        return workdir_files.score(self.workdir, metric, self.steps)


@dataclasses.dataclass(frozen=True)
class Variant:
    """What is trained alike but for the seed.

    Attributes:
      name: in the table.
      trials: as planned, in the order of their seeds.
      labels: of the sweep's axes; none of single runs.
    """

    name: str
    trials: tuple[Trial, ...]
    labels: tuple[str, ...] = ()

    @property
    def done(self) -> tuple[Trial, ...]:
        """The trials that count."""
        return tuple(trial for trial in self.trials if trial.done)

    @property
    def complete(self) -> bool:
        """Whether every planned trial is done."""
        return len(self.done) == len(self.trials) > 0


@dataclasses.dataclass(frozen=True)
class Study:
    """Variants that are compared with one of them.

    Attributes:
      name: of the sweep.
      hypothesis: what it is to show; "" if nobody says.
      metrics: "TASK/METRIC", the first one is that of the plots.
      variants: in the order of the table, the baseline first.
      facts: what else is to be said of it, title to text: commit, machine.
    """

    name: str
    hypothesis: str
    metrics: tuple[str, ...]
    variants: tuple[Variant, ...]
    facts: Mapping[str, str]

    @property
    def baseline(self) -> Variant:
        """What every other variant is compared with."""
        return self.variants[0]

    def short(self, metric: str) -> str:
        """Returns a metric's name without its task, where all are of the same one."""
        tasks = {each.partition("/")[0] for each in self.metrics}
        return metric.partition("/")[2] if len(tasks) == 1 else metric

    @property
    def not_done(self) -> list[tuple[Variant, Trial]]:
        """The trials that count nowhere."""
        return [
            (variant, trial)
            for variant in self.variants
            for trial in variant.trials
            if not trial.done
        ]


def _meant(name: str, variants: Sequence[Variant]) -> str:
    """Returns the variant that a name in another order of axes, or a label, means.

    Raises:
      ValueError: several variants have the label.
    """
    if name in [each.name for each in variants]:
        return name
    words = sorted(name.split())
    found = [each.name for each in variants if sorted(each.name.split()) == words]
    found = found or [each.name for each in variants if name in each.labels]
    if len(found) > 1:
        raise ValueError(
            f"the baseline {name!r} is a label of several variants, "
            f"{', '.join(map(repr, found))}: name one of them"
        )
    return found[0] if found else name


def with_baseline(variants: Sequence[Variant], name: str | None) -> tuple[Variant, ...]:
    """Returns the variants with the baseline first.

    Args:
      variants: in the order of the plan.
      name: of the baseline; None: the first is it already.

    Raises:
      ValueError: there is no such variant, or several, or none at all.
    """
    if not variants:
        raise ValueError("there is nothing to report: no variant is planned")
    names = [variant.name for variant in variants]
    if name is None:
        return tuple(variants)
    name = _meant(name, variants)
    if name not in names:
        raise ValueError(
            f"the baseline {name!r} is none of the variants{nearest(name, names)}; there are "
            f"{', '.join(map(repr, names))}"
        )
    baseline = variants[names.index(name)]
    return (baseline, *(variant for variant in variants if variant is not baseline))
