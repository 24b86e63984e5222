"""Names of metrics, known before anything is evaluated and without TensorFlow.

    accuracy            of all questions
    accuracy/hearing    of one group of them

They stand here a second time, beside the functions that give them: a test has each shipped task
scored and compares (tests/tasks/test_metric_names.py). A metric of people's own tasks is known only
once it has been computed.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator, Mapping

from mirasol.data.av_shapes.spec import (
    CAPTION,
    CAPTIONS,
    CHUNK_CAPTIONS,
    FAMILIES,
    MOTION,
    PARTS,
    VARIANTS,
)
from mirasol.data.benchmarks import activitynet_qa, nextqa, question_json
from mirasol.data.benchmarks.catalog import BENCHMARKS
from mirasol.data.benchmarks.manifest import MANIFEST
from mirasol.data.task_names import shipped
from mirasol.evaluation.metrics import LEVELS
from mirasol.evaluation.normalisers import STYLES
from mirasol.evaluation.wups import ALPHAS
from mirasol.spelling import closest, hint

EVALUATION = ("num_examples", "num_broken")
"""Of every task: questions answered, and those left out (evaluator.py)."""

_EXACT_MATCH = ("accuracy", "ci95_low", "ci95_high", "num")
_COVERAGE = ("num_total", "num_missing", "num_bad_rows", "accuracy_of_all")
_STYLES = tuple(f"accuracy_{style}" for style in STYLES)
_WUPS = tuple(f"wups_{alpha:g}" for alpha in ALPHAS)
_OF_CLASSES = (
    "mean_class_accuracy",
    "top_1",
    "top_5",
    "top_1_mean_class",
    "mAP",
    "mAUC",
    "d_prime",
    "num_classes",
)


@dataclasses.dataclass(frozen=True)
class MetricNames:
    """What the metrics of a task are called.

    Attributes:
      grouped: names that stand for all questions, and followed by `/<group>` for a group.
      whole: names that stand for all questions alone.
      groups: of the questions; None: the task's files alone know them, and any will do.
    """

    grouped: tuple[str, ...]
    whole: tuple[str, ...] = ()
    groups: tuple[str, ...] | None = ()

    def __contains__(self, name: str) -> bool:
        head, slash, group = name.partition("/")
        if not slash:
            return name in (*self.grouped, *self.whole)
        return head in self.grouped and bool(group) and self._has(group)

    def __iter__(self) -> Iterator[str]:
        """Yields every name; without groups where any will do."""
        yield from (*self.grouped, *self.whole)
        yield from (f"{name}/{group}" for name in self.grouped for group in self.groups or ())

    def nearest(self, name: str) -> str:
        """Returns the name that looks most like one that there is not, "" if none does."""
        head, slash, group = name.partition("/")
        if slash and self.groups is None:
            right = closest(head, self.grouped)
            return f"{right}/{group}" if right and group else right
        return closest(name, self)

    def told(self) -> str:
        """Returns the names in words."""
        groups = ("GROUP",) if self.groups is None else self.groups
        named = ", ".join(f"/{group}" for group in groups)
        of_groups = f"; {', '.join(self.grouped)} also with {named}" if groups else ""
        return ", ".join((*self.grouped, *self.whole)) + of_groups

    def _has(self, group: str) -> bool:
        return self.groups is None or group in self.groups


def unknown_metric(task: str, metric: str, *, before: str = "") -> str:
    """Returns what is wrong with the name of a metric of a task, "" for a right one.

    Any name will do of a task that the package does not bring.

    Args:
      task: that is evaluated.
      metric: as its lines in `metrics.jsonl` name it.
      before: what stands before the name where it was written, and so before the one offered.
    """
    if task not in shipped():
        return ""
    names = metric_names().get(task)
    if names is None:
        scored = ", ".join(each for each in metric_names() if not each.startswith("av_shapes"))
        return f"task {task!r} is not scored; name a task that is (AV-Shapes, {scored})"
    if metric in names:
        return ""
    right = names.nearest(metric)
    near = hint(before + right if right else "")
    return f"task {task!r} has no metric {metric!r}{near} (it has: {names.told()})"


@functools.cache
def metric_names() -> Mapping[str, MetricNames]:
    """Returns what the metrics of each shipped task that can be scored are called."""
    return {**_of_shapes(), **_of_benchmarks()}


def _of_shapes() -> dict[str, MetricNames]:
    groups = {
        "": FAMILIES,
        **{f"_{family}": (family,) for family in FAMILIES},
        "_joint": FAMILIES,
        f"_{MOTION}": (MOTION,),
        f"_{PARTS}": (MOTION, PARTS),
    }
    names = (*_EXACT_MATCH, *LEVELS)
    questions = {suffix: MetricNames(names, EVALUATION, types) for suffix, types in groups.items()}
    texts = MetricNames(_EXACT_MATCH, EVALUATION, (CAPTION,))
    suffixes = {**questions, f"_{CAPTIONS}": texts, f"_{CHUNK_CAPTIONS}": texts}
    return {f"{name}{suffix}": found for name in VARIANTS for suffix, found in suffixes.items()}


def _of_benchmarks() -> dict[str, MetricNames]:
    of_all = (*_COVERAGE, *EVALUATION)
    words = functools.partial(MetricNames, _EXACT_MATCH, (*_STYLES, *of_all))
    first_words = words((*question_json.FIRST_WORDS, question_json.OTHER_WORD))
    letters = tuple(dict.fromkeys(each[0] for each in nextqa.TYPES))
    options = MetricNames(_EXACT_MATCH, ("num_no_option", *of_all), (*letters, *nextqa.TYPES))
    written = MetricNames(
        (*_EXACT_MATCH, *_WUPS),
        (*(f"{name}_of_all" for name in _WUPS), *of_all),
        (*letters, *nextqa.TYPES),
    )
    classes = MetricNames(_EXACT_MATCH, (*_OF_CLASSES, *of_all))
    return {
        MANIFEST.name: words(None),
        "msrvtt_qa": first_words,
        "msvd_qa": first_words,
        "activitynet_qa": words((*activitynet_qa.TYPES, "Free")),
        "nextqa_mc": options,
        "nextqa_mc_question": options,
        "nextqa_oe": written,
        **{name: classes for name, each in BENCHMARKS.items() if each.classes is not None},
    }
