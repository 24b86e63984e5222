"""The table of a study: a row a variant, the same cells in every format.

    variant     n         accuracy                   accuracy, difference                time ...
    perceiver   3 of 3    0.912 ± 0.004              −0.021 [−0.034, −0.009] a
    cls         2 of 3 *  0.905 ± 0.011 (2 of 3) *   −0.028 [−0.047, −0.010] a (2 of 3) *

A cell that stands for fewer trials than planned is marked, and says of how many it is; a cell
without any says what became of the trials.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator, Sequence

from mirasol.description import text
from mirasol.sweeps.durations import duration
from mirasol.sweeps.reporting.outcomes import Outcome
from mirasol.sweeps.reporting.statistics import (
    CLIPS,
    CLIPS_AND_SEEDS,
    EXACT,
    NOTHING,
    SEEDS,
    Difference,
)
from mirasol.sweeps.reporting.study import BESIDE, Study, Trial, Variant

MARK, NONE, MINUS = "*", "–", "\N{MINUS SIGN}"
# The letter behind an interval says what was drawn anew for it.
_LETTERS = {CLIPS_AND_SEEDS: "a", CLIPS: "b", SEEDS: "c", NOTHING: "d", EXACT: "e"}
_DRAWN = {
    CLIPS_AND_SEEDS: "paired by clip and by seed; the interval draws both anew",
    CLIPS: "one seed, paired by clip; the interval draws clips anew and says nothing about seeds",
    SEEDS: "paired by seed alone; the interval draws seeds anew, and is too narrow with so few",
    NOTHING: "one seed and no clips to pair by: there is no interval",
    EXACT: "in no clip does the number of right answers differ; the bound is the exact one",
}


@dataclasses.dataclass(frozen=True)
class Cell:
    """One cell.

    Attributes:
      text: in it.
      lacking: whether it stands for fewer trials than planned.
    """

    text: str
    lacking: bool = False


@dataclasses.dataclass(frozen=True)
class Table:
    """Text, ready for any format.

    Attributes:
      header: names of the columns, the variant's first.
      rows: as many cells each.
      reading: how the cells are to be read.
      lost: every trial that counts nowhere, with the reason; and of those that are done what they
        lack: scores, their whole time, a seed that the baseline has.
    """

    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    reading: tuple[str, ...]
    lost: tuple[str, ...]

    @property
    def notes(self) -> tuple[str, ...]:
        """All that stands below."""
        return self.reading + self.lost


def table(study: Study, found: Sequence[Outcome]) -> Table:
    """Returns the table of a study and its outcomes."""
    header = ["variant", "n"]
    for metric in study.metrics:
        header += [study.short(metric), f"{study.short(metric)}, difference"]
    header += ["time", "memory of a step", "GFLOP forward + backward", "parameters"]
    rows = tuple(_row(study, outcome) for outcome in found)
    lacking = any(cell.lacking for row in rows for cell in row)
    return Table(tuple(header), rows, tuple(_reading(study, found, lacking)), tuple(_lost(study)))


def fraction(value: float, *, signed: bool = False) -> str:
    """Returns a score with three digits, with a true minus."""
    return f"{value:{'+' if signed else ''}.3f}".replace("-", MINUS)


def interval(found: Difference) -> str:
    """Returns a difference with its interval."""
    value = fraction(found.value, signed=True)
    if found.low is None or found.high is None:
        return value
    return f"{value} [{fraction(found.low, signed=True)}, {fraction(found.high, signed=True)}]"


def _row(study: Study, outcome: Outcome) -> tuple[Cell, ...]:
    done, planned = len(outcome.variant.done), outcome.planned
    cells = [Cell(outcome.variant.name), _marked(f"{done} of {planned}", done < planned)]
    for metric in study.metrics:
        cells += [_score(outcome, metric), _difference(study, outcome, metric)]
    return (*cells, *_costs(outcome))


def _score(outcome: Outcome, metric: str) -> Cell:
    found = outcome.scores[metric]
    if found.mean is None:
        return Cell(_fate(outcome), lacking=True)
    spread = "" if found.deviation is None else f" ± {fraction(found.deviation)}"
    few = f" ({found.n} of {outcome.planned})" if outcome.lacks(metric) else ""
    return _marked(f"{fraction(found.mean)}{spread}{few}", outcome.lacks(metric))


def _difference(study: Study, outcome: Outcome, metric: str) -> Cell:
    if outcome.variant is study.baseline:
        return Cell("baseline")
    found = outcome.differences[metric]
    if found is None:
        return Cell("no pair", lacking=True)
    few = found.seeds < outcome.planned
    pairs = f" ({found.seeds} of {outcome.planned})" if few else ""
    return _marked(f"{interval(found)} {_LETTERS[found.over]}{pairs}", few)


def _costs(outcome: Outcome) -> list[Cell]:
    cost, seconds = outcome.cost, outcome.seconds
    time = Cell(NONE) if seconds is None else _time(outcome, seconds)
    if cost is None:
        return [time, *[Cell(NONE)] * 3]
    return [
        time,
        Cell(text.size(cost.step_bytes)),
        Cell(" + ".join(map(text.operations, (cost.forward_flops, cost.backward_flops)))),
        Cell(f"{cost.parameters:,}"),
    ]


def _time(outcome: Outcome, seconds: float) -> Cell:
    timed = sum(trial.seconds is not None for trial in outcome.variant.done)
    few = timed < outcome.planned
    pairs = f" ({timed} of {outcome.planned})" if few else ""
    return _marked(f"{duration(seconds)}{pairs}", few)


def _marked(content: str, lacking: bool) -> Cell:
    return Cell(f"{content} {MARK}" if lacking else content, lacking)


def _fate(outcome: Outcome) -> str:
    """Returns what became of the trials of a variant that has no score."""
    states = Counter(trial.state for trial in outcome.variant.trials if not trial.done)
    return ", ".join(f"{count} {state}" for state, count in states.items()) or "no score"


def _reading(study: Study, found: Sequence[Outcome], lacking: bool) -> list[str]:
    differences = [each for row in found for each in row.differences.values() if each is not None]
    used = {each.over for each in differences}
    remarks = sorted({each.remark for each in differences if each.remark})
    others = study.facts.get(BESIDE)
    return [
        f"{', '.join(study.metrics)}: mean ± standard deviation over seeds; n: trials done of the "
        f"planned. Difference: to {study.baseline.name}, paired, and its 95 % bootstrap interval.",
        *[f"{letter}: {_DRAWN[over]}." for over, letter in _LETTERS.items() if over in used],
        *[f"Clips are not paired: {remark}." for remark in remarks],
        *_stale(study),
        *_steps(study),
        *([f"Beside the plan, and not counted: {others}."] if others else []),
        *([f"{MARK} fewer trials or pairs than planned; those left out are named."] * lacking),
        "Time: of a whole trial, mean of those done. Memory of a training step, operations of one "
        "example and parameters: computed from the configuration, as the command describe does.",
    ]


def _steps(study: Study) -> list[str]:
    """Returns how long each variant was trained, where that differs."""
    steps = {
        variant.name: ", ".join(map(str, sorted({trial.steps or 0 for trial in variant.done})))
        for variant in study.variants
        if variant.done
    }
    told = "; ".join(f"{name} {each}" for name, each in steps.items())
    return (
        [f"Trained for different numbers of steps: {told}."] if len({*steps.values()}) > 1 else []
    )


def _stale(study: Study) -> list[str]:
    """Returns which trials ran with other code than the sweep's last submit."""
    named = [
        _named(variant, trial)
        for variant in study.variants
        for trial in variant.done
        if trial.stale
    ]
    return [f"With source files other than those of the last submit: {'; '.join(named)}."] * bool(
        named
    )


def _lost(study: Study) -> list[str]:
    not_done = [
        f"{_named(variant, trial)}: {trial.state}" + (f" ({trial.reason})" if trial.reason else "")
        for variant, trial in study.not_done
    ]
    unscored = [
        f"{_named(variant, trial)}: {trial.state}, without {', '.join(lacking)}"
        for variant in study.variants
        for trial in variant.done
        if (lacking := _lacking(study, trial))
    ]
    done = [(variant, trial) for variant in study.variants for trial in variant.done]
    timed = any(trial.seconds is not None for _, trial in done)
    untimed = [
        f"{_named(variant, trial)}: done, without the time of all its attempts"
        for variant, trial in done
        if timed and trial.seconds is None
    ]
    return not_done + unscored + untimed + list(_unpaired(study))


def _unpaired(study: Study) -> Iterator[str]:
    """Yields the trials whose seed the baseline was never to have."""
    planned = {trial.seed for trial in study.baseline.trials}
    for variant in study.variants:
        for trial in variant.done:
            if trial.seed not in planned:
                yield (
                    f"{_named(variant, trial)}: done, and in no difference, since "
                    f"{study.baseline.name} has no such seed"
                )


def _lacking(study: Study, trial: Trial) -> list[str]:
    return [study.short(metric) for metric in study.metrics if trial.score(metric) is None]


def _named(variant: Variant, trial: Trial) -> str:
    return f"{variant.name}, seed {'unknown' if trial.seed is None else trial.seed}"
