"""A plan as text: each trial, what has become of it, what it costs, and what of it is stale."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mirasol.sweeps.cost import operations, seconds
from mirasol.sweeps.durations import duration
from mirasol.sweeps.plan import Sweep, told
from mirasol.sweeps.submission import Chosen

_FILES = 8  # Changed ones that are named.


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


def _operations(found: Sequence[Chosen]) -> dict[str, int]:
    """Returns variant -> operations; seeds of one cost the same."""
    first = {told(each.planned.variant): each.planned for each in reversed(found)}
    return {name: operations(planned.spec.build()) for name, planned in first.items()}


def _named(files: Sequence[str]) -> str:
    more = f" and {len(files) - _FILES} more" if len(files) > _FILES else ""
    return ", ".join(files[:_FILES]) + more


def _ended(each: Chosen) -> bool:
    return each.record is not None and each.record.state in ("done", "stopped")


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
