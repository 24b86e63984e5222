"""How the tensors of a checkpoint fit a model of other parts, sizes or names.

    there                    renamed                   here                     outcome
    encoder.bias [96]        video_encoder.bias        video_encoder.bias [96]  loaded, renamed
    slot_MD [8, 96]          slot_MD                   slot_MD [16, 96]         reshaped, by a rule
    head.bias [4]            head.bias                 -                        unused
    -                        -                         gate [1]                 missing

The last three stop a warm start unless the experiment allows them by name.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch

from mirasol.checkpoint.arrays import dtype_name
from mirasol.checkpoint.manifest import ArrayEntry
from mirasol.checkpoint.reshaping import Reshape
from mirasol.checkpoint.tensor_names import matches, nearest_pattern, renamed
from mirasol.spelling import hint, nearest

if TYPE_CHECKING:
    from mirasol.checkpoint.warm_start import WarmStart

_SHOWN = 6  # Names in a line.


@dataclasses.dataclass(frozen=True)
class Reshaped:
    """A tensor that has another shape here than there, and the rule for it, if there is one."""

    old: ArrayEntry
    new: ArrayEntry
    rule: Reshape | None

    @property
    def refusal(self) -> str:
        """Why it cannot be reshaped, "" if it can."""
        if self.rule is None:
            return "WarmStart.reshapes has no rule for it (Interpolate, Overlap)"
        return self.rule.refusal(self.old.shape, self.new.shape)

    def made(self, old: torch.Tensor, fresh: torch.Tensor) -> torch.Tensor:
        """Returns the tensor in its new shape; see Reshape."""
        assert self.rule is not None, "misfits() names those without a rule"
        return self.rule(old, fresh)

    def __str__(self) -> str:
        by = f" by {type(self.rule).__name__}" if self.rule else ""
        return f"{self.old} to {self.new}{by}"


class Fitting:
    """What a warm start does with every tensor.

    Args:
      terms: what is to be loaded, and what may differ.
      there: the checkpoint's tensors by name.
      tensors: the model's, on any device, also on "meta".

    Attributes:
      origin: name here -> name there, of all that is filled.
      loaded: names of those that are filled bit by bit.
      reshaped: name -> how.
      cast: name -> "dtype there to dtype here".
      missing: names of what the checkpoint lacks, which stays as the seed made it.
      unused: names, after renaming, of what the checkpoint has beyond the model.
      left_out: names here that are not to be loaded.
    """

    def __init__(
        self,
        terms: WarmStart,
        there: Mapping[str, ArrayEntry],
        tensors: Mapping[str, torch.Tensor],
    ):
        self._terms, self._there, self._here = terms, there, tensors
        self._targets: dict[str, list[str]] = {}
        for name in there:
            self._targets.setdefault(renamed(name, terms.renames), []).append(name)
        wanted = [name for name in tensors if matches(name, terms.names)]
        self.origin = {name: self._targets[name][0] for name in wanted if name in self._targets}
        self.left_out = [name for name in tensors if not matches(name, terms.names)]
        # A tensor that goes by two names, such as tied weights, is there if one of them is.
        filled = {id(tensors[name]) for name in self.origin}
        self.missing = [n for n in wanted if n not in self.origin and id(tensors[n]) not in filled]
        self.unused = [
            name for name in self._targets if name not in tensors and matches(name, terms.names)
        ]
        self.reshaped = dict(self._reshaped())
        self.cast = dict(self._cast())
        changed = self.reshaped.keys() | self.cast.keys()
        self.loaded = [name for name in self.origin if name not in changed]

    @property
    def renamed(self) -> dict[str, str]:
        """Name here -> name there, where they differ."""
        return {name: there for name, there in self.origin.items() if name != there}

    def misfits(self) -> list[str]:
        """Returns a line for each kind of difference that is not allowed, none if all are."""
        return list(self._bad_patterns()) or list(self._differences())

    def told(self) -> dict[str, Any]:
        """Returns what becomes of every tensor as JSON values."""
        return {
            "loaded": self.loaded,
            "renamed": self.renamed,
            "reshaped": {name: str(how) for name, how in self.reshaped.items()},
            "cast": self.cast,
            "missing": self.missing,
            "unused": self.unused,
            "left_out": self.left_out,
        }

    def lines(self) -> list[str]:
        """Returns the same for people: a line of counts, and one for each kind that has names."""
        told = self.told()
        counts = [f"{len(names)} {kind.replace('_', ' ')}" for kind, names in told.items()]
        described = {
            "renamed": [f"{name} from {there}" for name, there in self.renamed.items()],
            "reshaped": [f"{name} from {how}" for name, how in told["reshaped"].items()],
            "cast": [f"{name} from {how}" for name, how in self.cast.items()],
            "missing, as the seed made them": self.missing,
            "unused": self.unused,
        }
        return [
            ", ".join(counts),
            *(f"{kind}: {some(names)}" for kind, names in described.items() if names),
        ]

    def _entry(self, name: str) -> ArrayEntry:
        tensor = self._here[name]
        return ArrayEntry(tuple(tensor.shape), dtype_name(tensor.dtype), tensor.nbytes)

    def _reshaped(self) -> Iterator[tuple[str, Reshaped]]:
        for name, there in self.origin.items():
            old, new = self._there[there], self._entry(name)
            if old.shape != new.shape:
                rules = (rule for rule in self._terms.reshapes if matches(name, rule.names))
                yield name, Reshaped(old, new, next(rules, None))

    def _cast(self) -> Iterator[tuple[str, str]]:
        for name, there in self.origin.items():
            old, new = self._there[there].dtype, self._entry(name).dtype
            if old != new:
                yield name, f"{old} to {new}"

    def _bad_patterns(self) -> Iterator[str]:
        """Yields a line for each pattern that matches nothing: a slip, most likely."""
        terms = self._terms
        both = [*self._targets, *self._here]
        for parameter, patterns, names in (
            ("WarmStart.names", terms.names, self._here),
            ("WarmStart.renames", [old for old, _ in terms.renames], self._there),
            ("WarmStart.allow_missing", terms.allow_missing, self._here),
            ("WarmStart.allow_unused", terms.allow_unused, both),
            ("WarmStart.allow_cast", terms.allow_cast, self._here),
            *((f"{type(each).__name__}.names", each.names, self._here) for each in terms.reshapes),
        ):
            yield from _without_match(parameter, patterns, list(names))

    def _differences(self) -> Iterator[str]:
        terms = self._terms
        for name, sources in self._targets.items():
            if len(sources) > 1:
                yield f"WarmStart.renames: {some(sources)} would all be {name}"
        unused = [name for name in self.unused if not matches(name, terms.allow_unused)]
        missing = [name for name in self.missing if not matches(name, terms.allow_missing)]
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
        for name, how in self.reshaped.items():
            if how.refusal:
                yield f"WarmStart.source: {name} would go from {how}: {how.refusal}"
        cast = [name for name in self.cast if not matches(name, terms.allow_cast)]
        if cast:
            told = [f"{name} from {self.cast[name]}" for name in cast]
            yield f"WarmStart.source: other dtypes: {some(told)}; allow it in WarmStart.allow_cast"


def some(names: Sequence[str]) -> str:
    """Returns the first names, and how many more there are."""
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _parameters(names: Sequence[str]) -> str:
    return f"{len(names)} parameter{'s' if len(names) > 1 else ''}"


def _without_match(parameter: str, patterns: Iterable[str], names: Sequence[str]) -> Iterator[str]:
    for pattern in patterns:
        if not any(matches(name, [pattern]) for name in names):
            offer = hint(nearest_pattern(pattern, names))
            yield f"{parameter}: nothing is called {pattern!r}{offer}"
