"""What gin files and flags amount to, and what is wrong with their text; nothing is built.

files, flags -> statements -> bindings by full names -> parts that the root leads to
                |             |                         |
                bound twice   unknown names             unused, undefined, missing, of a wrong type
"""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Callable, Sequence
from typing import Any, TextIO

from mirasol import loose_ends
from mirasol.aliases import with_aliases
from mirasol.bound import Bound
from mirasol.findings import Finding
from mirasol.gin_files import find, runs
from mirasol.misplaced import misplaced
from mirasol.names import Names
from mirasol.statements import Reader
from mirasol.wiring import Reference, Scope, Wiring

_SWEEP = "mirasol.sweeps.plan.Sweep"


@dataclasses.dataclass(frozen=True)
class Examined:
    """What files and flags amount to, and what is wrong with it.

    Attributes:
      texts: for gin.
      bound: bindings, by their full names.
      wiring: the parts that the root leads to; None where nothing binds the root.
      findings: of the text alone.
      broken: parts of which something is wrong.
    """

    texts: Sequence[TextIO]
    bound: Bound
    wiring: Wiring | None
    findings: Sequence[Finding]
    broken: frozenset[tuple[Scope, str]] = frozenset()


def examine(files: Sequence[str], bindings: Sequence[str], root: str) -> Examined:
    """Reads files and flags to their end; see `config.load`."""
    target = imported(root)
    reader = Reader()
    for name in files:
        reader.read_file(find(name))
    for binding in bindings:
        reader.read_flag(binding)
    names = Names(reader.sources)
    bound = names.bound(reader.statements)
    found = [*reader.findings, *names.findings]
    lost = reader.lost or names.lost
    root_name = names.find(target)
    if root_name is None or not any(name == root_name for _, name in bound.declared):
        if not lost:
            what = _a_sweep(files) if _SWEEP in {name for _, name in bound.declared} else _a_part()
            found.append(Finding("", f"no gin file given binds {target.__name__}; {what}"))
        return Examined(reader.texts, bound, None, found)
    whole = Reference((), root_name, target, True)
    bound, wiring, loose = _wired(whole, bound, lost=lost, unread=reader.unread)
    refused = list(misplaced(wiring, bound))
    found += [*loose, *(finding for _, finding in refused)]
    broken = frozenset((part.scope, part.reference.name) for part, _ in refused)
    return Examined(reader.texts, bound, wiring, found, broken)


def _wired(
    root: Reference, bound: Bound, *, lost: bool, unread: bool
) -> tuple[Bound, Wiring, list[Finding]]:
    """Returns the bindings, with aliases for what is undefined; their parts; and loose ends.

    Args:
      root: of the parts.
      bound: the bindings.
      lost: whether there are bindings that nobody could read: what is loose may be used by them.
      unread: whether there are values that nobody could read.
    """
    wiring = Wiring([root], bound.declared)
    found = list(loose_ends.circular(wiring, bound))
    if lost:
        return bound, wiring, found
    lacking = loose_ends.lacking(wiring.parts[(), root.name])
    if len(lacking) > 1:  # So few bindings are no run; what else it lacks goes without saying.
        what = f"{root.target.__name__} lacks values of {', '.join(lacking)}"
        return bound, wiring, [*found, Finding("", f"{what}; {_a_part()}")]
    undefined = list(loose_ends.undefined(wiring, bound))
    if undefined:
        bound = with_aliases(wiring, bound)
        wiring = Wiring([root], bound.declared)
    found += [*undefined, *loose_ends.missing(wiring, bound)]
    return bound, wiring, found if unread else [*found, *loose_ends.unused(wiring, bound)]


def imported(name: str) -> Callable[..., Any]:
    """Returns the class or function of a full name."""
    module, _, attribute = name.rpartition(".")
    return getattr(importlib.import_module(module), attribute)


def _a_sweep(files: Sequence[str]) -> str:
    given = " ".join(f"--gin_file={name}" for name in files)
    return f"they state a sweep: python tools/sweep.py {given} --dry_run checks its trials"


def _a_part() -> str:
    listed = " or ".join(f"--gin_file={name}" for name in runs())
    return f"models, data and overlays are parts of a run: give that first, such as {listed}"
