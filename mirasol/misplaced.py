"""Values of another type than their parameters take.

TransformerCombiner.heads (%HEADS, in ... line 53), LatentModel.heads (in ... line 60) are 'x';
they must be a whole number
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

from mirasol.bound import Bound
from mirasol.findings import Finding, where_defined
from mirasol.spelling import nearest
from mirasol.statements import Statement
from mirasol.value_types import choices, parameter_types, phrase, takes
from mirasol.wiring import MACRO, Part, Wiring


@dataclasses.dataclass(frozen=True)
class Misplaced:
    """A value of a type that the parameter does not take.

    Attributes:
      part, name: the parameter.
      annotation: what it takes.
      source: what gives it the value.
    """

    part: Part
    name: str
    annotation: Any
    source: Statement


def misplaced(wiring: Wiring, bound: Bound) -> Iterator[tuple[Part, Finding]]:
    """Yields each part with a value of a type that its parameter does not take, and a finding.

    Parameters that have the value from one macro share a finding.
    """
    groups: dict[tuple[int, str], list[Misplaced]] = {}
    for part in wiring.objects():
        known = parameter_types(part.reference.target)
        for name, value in wiring.values(part).items():
            if name in known and not takes(known[name], wiring.expand(value)):
                found = Misplaced(part, name, known[name], bound.source(wiring, part, name))
                shared = (id(found.source), phrase(known[name]))
                groups.setdefault(shared, []).append(found)
    for group in groups.values():
        finding = _finding(wiring, bound, group)
        yield from ((each.part, finding) for each in group)


def _finding(wiring: Wiring, bound: Bound, group: Sequence[Misplaced]) -> Finding:
    """Returns what to tell of parameters that have one value of the wrong type."""
    first = group[0]
    written = wiring.values(first.part)[first.name]
    value = wiring.expand(written)
    uses = [f"{each.part.title}.{each.name}" for each in group]
    is_macro = first.source.binding.selector == MACRO
    if is_macro:  # It is the macro that is wrong.
        places = [bound.place(each.part.origin[each.name], each.name) for each in group]
        uses[0] += f" ({written!r}, in {places[0]})"
        uses[1:] = [f"{use} (in {place})" for use, place in zip(uses[1:], places[1:], strict=True)]
    elif written != value:
        uses[0] += f" ({written!r})"
    near = nearest(value, choices(first.annotation)) if isinstance(value, str) else ""
    defined = dict.fromkeys(where_defined(each.part.reference.target) for each in group)
    verb, subject = ("is", "it") if len(group) == 1 else ("are", "they")
    return Finding(
        first.source.place,
        f"{', '.join(uses)} {verb} {value!r}; {subject} must be {phrase(first.annotation)}{near} "
        f"({', '.join(defined)})",
    )
