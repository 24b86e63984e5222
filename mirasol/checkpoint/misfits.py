"""What stops a warm start: each difference that the experiment does not allow, as a line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from mirasol.checkpoint.fitting import Fitting
from mirasol.checkpoint.tensor_names import matches, nearest_pattern
from mirasol.spelling import hint, nearest, some


def misfits(fitting: Fitting) -> list[str]:
    """Returns a line for each kind of difference that is not allowed, none if all are.

    Where a pattern matches nothing, these alone: the rest would follow from the slip.
    """
    return list(_bad_patterns(fitting)) or list(_differences(fitting)) or list(_nothing(fitting))


def _bad_patterns(fitting: Fitting) -> Iterator[str]:
    """Yields a line for each pattern that matches nothing: a slip, most likely."""
    terms, here = fitting.terms, fitting.here
    for parameter, patterns, names in (
        ("WarmStart.names", terms.names, here),
        ("WarmStart.renames", [old for old, _ in terms.renames], fitting.there),
        ("WarmStart.allow_missing", terms.allow_missing, here),
        ("WarmStart.allow_unused", terms.allow_unused, [*fitting.targets, *here]),
        ("WarmStart.allow_cast", terms.allow_cast, here),
        *((f"{type(each).__name__}.names", each.names, here) for each in terms.reshapes),
    ):
        yield from _without_match(parameter, patterns, list(names))


def _without_match(parameter: str, patterns: Iterable[str], names: Sequence[str]) -> Iterator[str]:
    for pattern in patterns:
        if not any(matches(name, [pattern]) for name in names):
            offer = hint(nearest_pattern(pattern, names))
            yield f"{parameter}: nothing is called {pattern!r}{offer}"


def _differences(fitting: Fitting) -> Iterator[str]:
    yield from _collisions(fitting)
    yield from _missing_and_unused(fitting)
    yield from _shapes_and_dtypes(fitting)


def _collisions(fitting: Fitting) -> Iterator[str]:
    for name, sources in fitting.targets.items():
        if len(sources) > 1:
            yield f"WarmStart.renames: {some(sources)} would all be {name}"


def _missing_and_unused(fitting: Fitting) -> Iterator[str]:
    terms = fitting.terms
    unused = [name for name in fitting.unused if not matches(name, terms.allow_unused)]
    missing = [name for name in fitting.missing if not matches(name, terms.allow_missing)]
    if missing:
        told = [f"{name}{nearest(name, unused)}" for name in missing]
        yield (
            f"WarmStart.source lacks {_parameters(missing)} of the model: {some(told)}; give "
            "their names there in WarmStart.renames, or allow it in WarmStart.allow_missing"
        )
    if unused:
        yield (
            f"WarmStart.source has {_parameters(unused)} that the model has not: "
            f"{some(unused)}; name them as the model does in WarmStart.renames, or allow it in "
            "WarmStart.allow_unused"
        )


def _shapes_and_dtypes(fitting: Fitting) -> Iterator[str]:
    for name, how in fitting.reshaped.items():
        if how.refusal:
            yield f"WarmStart.source: {name} would go from {how}: {how.refusal}"
    cast = [name for name in fitting.cast if not matches(name, fitting.terms.allow_cast)]
    if cast:
        told = [f"{name} from {fitting.cast[name]}" for name in cast]
        yield f"WarmStart.source: other dtypes: {some(told)}; allow it in WarmStart.allow_cast"


def _nothing(fitting: Fitting) -> Iterator[str]:
    if not fitting.origin:
        yield (
            "WarmStart.source: nothing of it would be loaded; give its names in WarmStart.renames, "
            "or leave the warm start out"
        )


def _parameters(names: Sequence[str]) -> str:
    return f"{len(names)} parameter{'s' if len(names) > 1 else ''}"
