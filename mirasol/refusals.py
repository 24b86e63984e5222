"""What parts say of values that they cannot do with, and whom to tell it of.

    HEADS = 5      TransformerCombiner: width 96 is not a multiple of 5 heads
                   LatentModel: width 96 is not a multiple of 5 heads
                   -> one finding, at the line of the macro

A value that two parts refuse is one mistake.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from mirasol.bound import Bound
from mirasol.findings import Finding
from mirasol.gin_syntax import Binding
from mirasol.statements import Statement
from mirasol.wiring import MACRO, Part, Wiring


@dataclasses.dataclass(frozen=True)
class Refusal:
    """What one part says.

    Attributes:
      title: of the part.
      said: without its title.
      blamed: what gives the value that is likeliest to be wrong; None where all are defaults.
      others: parameter -> place of each other value that it speaks of.
    """

    title: str
    said: str
    blamed: Statement | None
    others: Mapping[str, str]

    def alone(self) -> str:
        """Returns what it says, with its title."""
        return self.said if self.said.startswith(self.title) else f"{self.title}: {self.said}"


def refusal(
    wiring: Wiring, bound: Bound, part: Part, said: str, parameters: Sequence[str] = ()
) -> Refusal:
    """Returns what a part says, with the places of what it speaks of.

    What was written last, by a flag, say, is the likeliest to be wrong; in files alone, what it is
    about.

    Args:
      wiring: the parts.
      bound: for the places.
      part: who says it.
      said: its words.
      parameters: what they are about, where that is known; they speak of what they name, too, or
        else of what has a value that they name.
    """
    said = " ".join(said.split())
    values = wiring.values(part)
    named = [name for name in values if name in parameters or re.search(rf"\b{name}\b", said)]
    spoken_of = named or [n for n, value in values.items() if f" {wiring.expand(value)!r} " in said]
    sources = {name: bound.source(wiring, part, name) for name in spoken_of or values}
    about = [sources[name] for name in parameters if name in sources]
    by_flag = any(each.source.is_flag for each in sources.values())
    likely = about if about and not by_flag else sources.values()
    blamed = max(likely, key=bound.order, default=None)
    others = {name: sources[name].place for name in spoken_of if len(sources) > 1}
    return Refusal(part.title, said.removeprefix(f"{part.title}: "), blamed, others)


def told(refusals: Iterable[Refusal]) -> Iterator[Finding]:
    """Yields a finding a refusal; one for all that refuse the same macro."""
    groups: dict[int, list[Refusal]] = {}
    for each in refusals:
        shared = each.blamed is not None and each.blamed.binding.selector == MACRO
        groups.setdefault(id(each.blamed) if shared else id(each), []).append(each)
    for group in groups.values():
        blamed, alone = group[0].blamed, len(group) == 1
        where = dict.fromkeys(f"{name}: {at}" for each in group for name, at in each.others.items())
        said = group[0].alone() if alone or not blamed else _together(blamed.binding, group)
        yield Finding(
            blamed.place if blamed else "", said + (f" ({', '.join(where)})" if where else "")
        )


def _together(macro: Binding, group: list[Refusal]) -> str:
    """Returns what several parts say of one macro."""
    titles = ", ".join(dict.fromkeys(each.title for each in group))
    if len({each.said for each in group}) == 1:
        listed = f" {titles}: {group[0].said}"
    else:
        listed = f": {'; '.join(dict.fromkeys(each.alone() for each in group))}"
    return f"{macro.scope} = {macro.value!r} does not fit{listed}"
