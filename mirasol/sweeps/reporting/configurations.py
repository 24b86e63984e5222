"""What sets each variant's configuration apart from the baseline's."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping

from mirasol.sweeps.reporting import workdir_files
from mirasol.sweeps.reporting.study import Study, Variant

# "@module.Class()", of which a reader wants the class.
_REFERENCE = re.compile(r"@(?:\w+\.)*(\w+)")


@dataclasses.dataclass(frozen=True)
class Configuration:
    """A variant beside the baseline; names are scope/Class.parameter.

    Attributes:
      variant: its name.
      changed: name -> value of the baseline, and the variant's.
      added: name -> value of what the baseline has no part for.
      gone: parts of the baseline that the variant lacks.
      known: whether both have a record of their configuration.
    """

    variant: str
    changed: Mapping[str, tuple[str, str]]
    added: Mapping[str, str]
    gone: tuple[str, ...]
    known: bool = True


def configurations(study: Study) -> list[Configuration]:
    """Returns every variant but the baseline, beside it.

    What differs from trial to trial of one variant, its seed, sets no variants apart.
    """
    varying = {name for variant in study.variants for name in _varying(variant)}
    baseline = _meaning(study.baseline, varying)
    return [
        _beside(baseline, _meaning(variant, varying), variant.name)
        for variant in study.variants[1:]
    ]


def _beside(ours: Mapping[str, str], theirs: Mapping[str, str], variant: str) -> Configuration:
    if not (ours and theirs):
        return Configuration(variant, {}, {}, (), known=False)
    parts = {_part(name) for name in theirs}
    return Configuration(
        variant,
        changed={
            _short(name): (_value(ours[name]), _value(theirs[name]))
            for name in sorted(ours.keys() & theirs.keys())
            if ours[name] != theirs[name]
        },
        added={_short(name): _value(theirs[name]) for name in sorted(theirs.keys() - ours.keys())},
        gone=tuple(sorted({_short(_part(name)) for name in ours if _part(name) not in parts})),
    )


def _meaning(variant: Variant, without: set[str]) -> dict[str, str]:
    """Returns the operative configuration of the first trial that has a record of it."""
    found: dict[str, str] = next(filter(None, _meanings(variant)), {})
    return {name: value for name, value in found.items() if name not in without}


def _varying(variant: Variant) -> set[str]:
    """Returns the names of the parameters in which trials of one variant differ."""
    found = [meaning.items() for meaning in _meanings(variant) if meaning]
    return {name for first in found for other in found for name, _ in first - other}


def _meanings(variant: Variant) -> list[dict[str, str]]:
    return [workdir_files.meaning(trial.workdir) for trial in variant.trials]


def _part(name: str) -> str:
    return name.rpartition(".")[0]


def _short(name: str) -> str:
    """Returns a name without its module; classes alone begin with a capital."""
    scope, slash, rest = name.rpartition("/")
    return scope + slash + re.sub(r"^(?:[a-z_]\w*\.)+(?=[A-Z])", "", rest)


def _value(text: str) -> str:
    return _REFERENCE.sub(r"@\1", text)
