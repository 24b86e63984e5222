"""How the tensors of a checkpoint fit a model of other parts, sizes or names.

    there                    renamed                   here                     outcome
    encoder.bias [96]        video_encoder.bias        video_encoder.bias [96]  loaded, renamed
    slot_MD [8, 96]          slot_MD                   slot_MD [16, 96]         reshaped, by a rule
    head.bias [4]            head.bias                 -                        unused
    -                        -                         gate [1]                 missing

The last three stop a warm start unless the experiment allows them by name (misfits.py).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import torch

from mirasol.checkpoint.arrays import dtype_name
from mirasol.checkpoint.manifest import ArrayEntry
from mirasol.checkpoint.reshaping import Reshape
from mirasol.checkpoint.tensor_names import matches, renamed
from mirasol.spelling import some

if TYPE_CHECKING:
    from mirasol.checkpoint.warm_start import WarmStart


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
      here: the model's, on any device, also on "meta".

    Attributes:
      terms, there, here: as given.
      targets: name after renaming -> names there; more than one is an error.
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
        here: Mapping[str, torch.Tensor],
    ):
        self.terms, self.there, self.here = terms, there, here
        self.targets: dict[str, list[str]] = {}
        for name in there:
            self.targets.setdefault(renamed(name, terms.renames), []).append(name)
        wanted = [name for name in here if matches(name, terms.names)]
        self.origin = {name: self.targets[name][0] for name in wanted if name in self.targets}
        self.left_out = [name for name in here if not matches(name, terms.names)]
        # A tensor that goes by two names, such as tied weights, is there if one of them is.
        filled = {id(here[name]) for name in self.origin}
        self.missing = [n for n in wanted if n not in self.origin and id(here[n]) not in filled]
        self.unused = [
            name for name in self.targets if name not in here and matches(name, terms.names)
        ]
        self.reshaped = dict(self._reshaped())
        self.cast = dict(self._cast())
        changed = self.reshaped.keys() | self.cast.keys()
        self.loaded = [name for name in self.origin if name not in changed]

    @property
    def renamed(self) -> dict[str, str]:
        """Name here -> name there, where they differ."""
        return {name: there for name, there in self.origin.items() if name != there}

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
        tensor = self.here[name]
        return ArrayEntry(tuple(tensor.shape), dtype_name(tensor.dtype), tensor.nbytes)

    def _reshaped(self) -> Iterator[tuple[str, Reshaped]]:
        for name, there in self.origin.items():
            old, new = self.there[there], self._entry(name)
            if old.shape != new.shape:
                rules = (rule for rule in self.terms.reshapes if matches(name, rule.names))
                yield name, Reshaped(old, new, next(rules, None))

    def _cast(self) -> Iterator[tuple[str, str]]:
        for name, there in self.origin.items():
            old, new = self.there[there].dtype, self._entry(name).dtype
            if old != new:
                yield name, f"{old} to {new}"
