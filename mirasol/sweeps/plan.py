"""What a sweep's gin file states: a base run, what is varied, which combinations, and why.

    axes   combiner: ttm, mean_pool     width: 96, 192     baseline   {combiner: ttm, width: 96}

    Grid         every label of each axis with every one of the others     4 variants
    Zip          first with first, second with second                      2
    Listed       those that are written down
    Random       so many of the grid, drawn by a seed
    OneAtATime   the baseline, and each other label in place of its own    3

Each variant is trained once per seed.
"""

from __future__ import annotations

import abc
import dataclasses
import itertools
import random
from collections.abc import Mapping, Sequence

from mirasol.named import AxisName, MetricName
from mirasol.numbers import require_positive
from mirasol.spelling import nearest
from mirasol.sweeps.early import EarlyStop

Variant = dict[str, str]
"""Axis -> label."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Axis:
    """What is varied.

    Attributes:
      name: of the axis, a word.
      labels: label -> what makes it: gin files ("models/combiners/none.gin") and bindings
        ("WIDTH = 192"), given after the base run; an empty list is the base run as it is.

    Raises:
      ValueError: no name or labels, a label that is empty or no text, or labels that stand for no
        lists of text.
    """

    name: AxisName
    labels: Mapping[str, Sequence[str]]

    def __post_init__(self) -> None:
        if not self.name:
            raise ValueError("Axis.name is empty; give the axis a word")
        if "" in self.labels:
            raise ValueError(
                f"Axis.labels of axis {self.name!r} has an empty label; give it a word"
            )
        if not self.labels:
            raise ValueError(f"Axis.labels of axis {self.name!r} is empty; give at least one")
        for label in self.labels:
            if not isinstance(label, str):
                raise ValueError(
                    f"Axis.labels of axis {self.name!r} has the label {label!r}, which is no text; "
                    f"write {str(label)!r}"
                )
        for label, changes in self.labels.items():
            texts = isinstance(changes, list | tuple) and all(type(it) is str for it in changes)
            if not texts:
                raise ValueError(
                    f"Axis.labels of axis {self.name!r}: {label!r} is {changes!r}; it must be a "
                    "list of gin files and of bindings, ['models/x.gin', 'NAME = VALUE']"
                )


class Plan(abc.ABC):
    """Which combinations of labels are tried."""

    name: str

    @abc.abstractmethod
    def variants(self, axes: Sequence[Axis], baseline: Mapping[str, str]) -> list[Variant]:
        """Returns the variants in their order, each with a label of every axis.

        Raises:
          ValueError: the axes or the baseline do not fit the plan.
        """


@dataclasses.dataclass(frozen=True, kw_only=True)
class Grid(Plan):
    """Every combination; the last axis changes fastest."""

    name = "grid"

    def variants(self, axes: Sequence[Axis], baseline: Mapping[str, str]) -> list[Variant]:
        """See `Plan`."""
        names = [axis.name for axis in axes]
        combinations = itertools.product(*(axis.labels for axis in axes))
        return [dict(zip(names, each, strict=True)) for each in combinations]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Zip(Plan):
    """The first label of each axis together, then the second of each, and so on."""

    name = "zip"

    def variants(self, axes: Sequence[Axis], baseline: Mapping[str, str]) -> list[Variant]:
        """See `Plan`."""
        lengths = {axis.name: len(axis.labels) for axis in axes}
        if len(set(lengths.values())) > 1:
            told = ", ".join(f"{name} has {length}" for name, length in lengths.items())
            raise ValueError(f"Zip wants axes of equally many labels: {told}")
        names = list(lengths)
        together = zip(*(axis.labels for axis in axes), strict=True)
        return [dict(zip(names, each, strict=True)) for each in together]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Listed(Plan):
    """The combinations that are written down.

    Attributes:
      combinations: axis -> label each; an axis left out has the baseline's label.
    """

    combinations: Sequence[Mapping[str, str]]
    name = "list"

    def variants(self, axes: Sequence[Axis], baseline: Mapping[str, str]) -> list[Variant]:
        """See `Plan`."""
        found = []
        for number, given in enumerate(self.combinations, 1):
            where = f"Listed.combinations, number {number}"
            require_known(where, given, axes)
            lacking = [axis.name for axis in axes if axis.name not in {**baseline, **given}]
            if lacking:
                raise ValueError(f"{where} has no label of {', '.join(lacking)}, nor has baseline")
            found.append({axis.name: {**baseline, **given}[axis.name] for axis in axes})
        return found


@dataclasses.dataclass(frozen=True, kw_only=True)
class Random(Plan):
    """Some of the grid, none twice, the same ones whenever the seed is the same.

    Attributes:
      count: of variants.
      seed: of the draw.
    """

    count: int
    seed: int = 0
    name = "random"

    def __post_init__(self) -> None:
        require_positive("Random", count=self.count)

    def variants(self, axes: Sequence[Axis], baseline: Mapping[str, str]) -> list[Variant]:
        """See `Plan`."""
        whole = Grid().variants(axes, baseline)
        if self.count > len(whole):
            raise ValueError(f"Random.count is {self.count}; the grid has only {len(whole)}")
        return random.Random(self.seed).sample(whole, self.count)


@dataclasses.dataclass(frozen=True, kw_only=True)
class OneAtATime(Plan):
    """The baseline, then each other label of each axis in place of the baseline's."""

    name = "one at a time"

    def variants(self, axes: Sequence[Axis], baseline: Mapping[str, str]) -> list[Variant]:
        """See `Plan`."""
        lacking = [axis.name for axis in axes if axis.name not in baseline]
        if lacking:
            raise ValueError(f"OneAtATime wants a label of {', '.join(lacking)} in Sweep.baseline")
        base = {axis.name: baseline[axis.name] for axis in axes}
        others = [
            {**base, axis.name: label}
            for axis in axes
            for label in axis.labels
            if label != base[axis.name]
        ]
        return [base, *others]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sweep:
    """A question, and the runs that are to answer it.

    Attributes:
      hypothesis: what is expected and why, in a sentence or two.
      base: gin files of the run that is varied, as `train` takes them.
      bindings: "NAME = VALUE" over them, in all trials.
      axes: what is varied, one axis or more.
      plan: which combinations are tried.
      seeds: each variant is trained once with each; the base run defines SEED.
      metrics: "task/metric" each; the first is the one that is judged by.
      baseline: axis -> label of the variant that the others are compared with, one that the plan
        tries; empty: none.
      early_stop: a rule by which trials end before their last step; None: none does.
      limit_s: seconds that an attempt may take; None: as many as it wants.
      silence_s: seconds without a line in the log or a metric, after which an attempt hangs.
      grace_s: seconds that an attempt has to save and end before it is killed; at least those of a
        step and a save.

    Raises:
      ValueError: names twice, labels that there are not, numbers out of range.
    """

    hypothesis: str
    base: Sequence[str]
    axes: Sequence[Axis]
    plan: Plan
    seeds: Sequence[int]
    metrics: Sequence[MetricName]
    bindings: Sequence[str] = ()
    baseline: Mapping[str, str] = dataclasses.field(default_factory=dict)
    early_stop: EarlyStop | None = None
    limit_s: float | None = None
    silence_s: float = 3600.0
    grace_s: float = 120.0

    def __post_init__(self) -> None:
        for name in ("hypothesis", "base", "axes", "seeds", "metrics"):
            if not getattr(self, name):
                raise ValueError(f"Sweep.{name} is empty; a sweep needs it")
        _require_once("Sweep.axes", [axis.name for axis in self.axes])
        _require_once("Sweep.seeds", self.seeds)
        _require_once("Sweep.metrics", self.metrics)
        for metric in self.metrics:
            if "/" not in metric.strip("/"):
                raise ValueError(
                    f"Sweep.metrics has {metric!r}; it must be 'task/metric', such as "
                    "'av_shapes_4_joint/accuracy'"
                )
        require_known("Sweep.baseline", self.baseline, self.axes)
        limits = {"limit_s": self.limit_s, "silence_s": self.silence_s, "grace_s": self.grace_s}
        for name, limit in limits.items():
            if limit is not None and not limit > 0:
                raise ValueError(f"Sweep.{name} is {limit}; it must be above 0")

    def variants(self) -> list[Variant]:
        """Returns what is tried, in order.

        Raises:
          ValueError: the plan does not fit the axes, has a variant twice, or not the baseline.
        """
        found = self.plan.variants(self.axes, self.baseline)
        names = [told(each) for each in found]
        _require_once(f"the plan ({self.plan.name})", names)
        baseline = told(self.ordered_baseline())
        if baseline and baseline not in names:
            raise ValueError(
                f"Sweep.baseline: {baseline!r} is none of the {len(names)} variants of the plan "
                f"({self.plan.name}){nearest(baseline, names)}; nothing could be compared with "
                "it: name one of them with a label of each axis, or have the plan try it"
            )
        return found

    def ordered_baseline(self) -> Variant:
        """Returns the baseline with its labels in the order of the axes, as variants have them."""
        names = [axis.name for axis in self.axes if axis.name in self.baseline]
        return {name: self.baseline[name] for name in names}


def told(variant: Mapping[str, str]) -> str:
    """Returns a variant in a line: `combiner=ttm width=96`."""
    return " ".join(f"{axis}={label}" for axis, label in variant.items())


def require_known(where: str, labels: Mapping[str, str], axes: Sequence[Axis]) -> None:
    """Raises ValueError unless each axis is there and has the label."""
    known = {axis.name: axis for axis in axes}
    for name, label in labels.items():
        if name not in known:
            there = ", ".join(known)
            raise ValueError(f"{where}: no axis {name!r}, only {there}{nearest(name, known)}")
        if not isinstance(label, str) or label not in known[name].labels:
            there = ", ".join(known[name].labels)
            raise ValueError(
                f"{where}: axis {name!r} has no label {label!r}, only {there}"
                f"{nearest(str(label), known[name].labels)}"
            )


def _require_once(where: str, names: Sequence[object]) -> None:
    twice = [name for name in names if list(names).count(name) > 1]
    if twice:
        raise ValueError(f"{where}: {twice[0]!r} is there twice; leave one out")
