"""A plan as text: each trial, what has become of it, what it costs, and what of it is stale."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from mirasol.spelling import some
from mirasol.sweeps import stale, stated
from mirasol.sweeps.cost import operations, seconds
from mirasol.sweeps.durations import duration
from mirasol.sweeps.plan import Sweep, told
from mirasol.sweeps.records import CONFIG, TrialRecord, all_trials, trial_folder
from mirasol.sweeps.submission import Chosen

_FILES = 8  # Changed ones that are named.
_TRIALS = 4  # Beside the plan that are named.


def lines(sweep: Sweep, found: Sequence[Chosen]) -> Iterator[str]:
    """Yields the plan, a line a trial; the trials have been checked."""
    counts = _operations(found)
    of_variants = [(each.planned.variant, counts[told(each.planned.variant)]) for each in found]
    done = [
        (each.planned.variant, each.record)
        for each in found
        if each.record and each.record.state == "done" and not each.stale_files
    ]
    whole = sum(count for _, count in of_variants)
    yield f"{len(found)} trials ({sweep.plan.name}) of {whole:.3g} operations in all"
    yield f"judged by: {sweep.metrics[0]}"
    if sweep.metrics[1:]:
        yield f"told too: {', '.join(sweep.metrics[1:])}"
    yield f"hypothesis: {' '.join(sweep.hypothesis.split())}"
    total_s, unknown = 0.0, 0
    for each in found:
        variant, count = each.planned.variant, counts[told(each.planned.variant)]
        known = None if _ended(each) else seconds(variant, count, done, of_variants)
        yield f"{each.id}  {told(variant)}  seed {each.planned.seed}  {_cost(each, count, known)}"
        if each.stale_files:
            yield f"    stale: {_named(each.stale_files)} changed since it began"
        total_s += known[0] if known else 0.0
        unknown += not known and not _ended(each)
    yield _sum(found, total_s, unknown)


def beside(folder: Path, found: Sequence[Chosen]) -> Iterator[str]:
    """Yields which trials have ended here that the plan does not ask for, and what it asks instead.

    Those of other code, of which each stands for a planned one or has been trained anew, are left
    out: they ask for the same.
    """
    counted = {each.id for each in found}
    others = [each for each in all_trials(folder) if each.id not in counted]
    lost = [(each, _asked_instead(folder, each, found)) for each in others if _has_ended(each)]
    lost = [(each, names) for each, names in lost if names is None or names]
    for record, names in lost[:_TRIALS]:
        said = f": there {some(names)} differs" if names else ""
        yield (
            f"{record.id}  {told(record.labels)}  seed {record.seed}  {record.state} here, and not "
            f"of this plan{said}"
        )
    if len(lost) > _TRIALS:
        yield f"and {len(lost) - _TRIALS} more that are not of this plan"


def _asked_instead(
    folder: Path, record: TrialRecord, found: Sequence[Chosen]
) -> Sequence[str] | None:
    """Returns what a planned trial of the same labels and seed binds otherwise.

    It is None where there is no such trial, or none can tell what this one was asked for.
    """
    for each in (chosen.planned for chosen in found):
        if (each.variant, each.seed) == (record.labels, record.seed):
            text = stale.text_of(trial_folder(folder, record.id) / CONFIG)
            return stated.differing(text, each.spec.declared) if text else None
    return None


def _operations(found: Sequence[Chosen]) -> dict[str, int]:
    """Returns variant -> operations; seeds of one cost the same."""
    first = {told(each.planned.variant): each.planned for each in reversed(found)}
    return {name: operations(planned.spec.build()) for name, planned in first.items()}


def _named(files: Sequence[str]) -> str:
    more = f" and {len(files) - _FILES} more" if len(files) > _FILES else ""
    return ", ".join(files[:_FILES]) + more


def _ended(each: Chosen) -> bool:
    return each.record is not None and _has_ended(each.record)


def _has_ended(record: TrialRecord) -> bool:
    return record.state in ("done", "stopped")


def _cost(each: Chosen, count: int, known: tuple[float, str] | None) -> str:
    """Returns a trial's state and what it takes, or took."""
    record = each.record
    state = record.state if record else "not begun"
    whence = f" by {record.taken_from}" if record and record.taken_from else ""
    took = (
        f", {duration(record.seconds)}{'' if _ended(each) else ' so far'}"
        if record and record.seconds
        else ""
    )
    about = f", about {duration(known[0])} {known[1]}" if known else ""
    return f"{state}{whence}{took}  {count:.3g} operations{about}"


def _sum(found: Sequence[Chosen], total_s: float, unknown: int) -> str:
    ended = sum(map(_ended, found))
    left = len(found) - ended
    about = f", about {duration(total_s)} one after another" if total_s else ""
    rest = "; how long they take is known when one is done" if unknown else ""
    stale = sum(bool(each.stale_files) for each in found)
    return f"{ended} ended, {left} to train{about}{rest}; {stale} stale"
