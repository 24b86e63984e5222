"""Macros and scopes that are used and bound nowhere, taken for those that they nearly are.

    WIDHT = 96                           a mistake, told elsewhere
    TransformerCombiner.width = %WIDTH   another; here taken for %WIDHT
    TransformerCombiner.heads = 5        does not divide 96: without the alias nobody would know

So one slip does not hide what is wrong with all that hangs on it.
"""

from __future__ import annotations

from collections.abc import Iterator

from mirasol.bound import Bound
from mirasol.spelling import closest, one_slip
from mirasol.wiring import MACRO, Key, Wiring


def with_aliases(wiring: Wiring, bound: Bound) -> Bound:
    """Returns the bindings with those added that one slip of the finger keeps from their use."""
    found = Bound(dict(bound.declared), dict(bound.statements), bound.every, bound.loose)
    for alias, key in _aliases(wiring):
        found.declared[alias] = bound.declared[key]
        for parameter in bound.declared[key]:
            found.statements[alias, parameter] = bound.statements[key, parameter]
    return found


def _aliases(wiring: Wiring) -> Iterator[tuple[Key, Key]]:
    """Yields keys that are wanted and not there, and the ones that stand in for them."""
    macros = {scope for scope, name in wiring.declared if name == MACRO}
    scopes = {scope for scope, name in wiring.declared if name != MACRO and scope}
    for part in wiring.parts.values():
        wanted, name = "/".join(part.reference.scope), part.reference.name
        if part.reference.is_macro:
            known = macros if wiring.macro(part.reference) is None else set()
        else:
            known = scopes if wanted and wanted not in scopes else set()
        near = _one_slip_off(wanted, known)
        if near and (near, name) in wiring.declared:
            yield (wanted, name), (near, name)


def _one_slip_off(wanted: str, known: set[str]) -> str:
    near = closest(wanted, known)
    return near if near and one_slip(wanted, near) else ""
