"""What is bound and never used, and what is used and never bound.

WARMUP = 10                      used by the next line
Schedule.warmup = %WARMUP        put out of use by the next line: no mistake
Schedule.warmup = 0
WARMPU = 20                      nothing ever used it: a mistake
Schedule.peak = %PAEK            nothing ever defined it: a mistake
Stage.batch_size = 8             in the same file, of the only @joint/Stage():
joint/Stage.batch_size = 4       the first is never used: a mistake
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from mirasol.bound import Bound
from mirasol.findings import Finding, where_defined
from mirasol.spelling import nearest
from mirasol.statements import Statement
from mirasol.wiring import MACRO, Key, Part, Reference, Scope, Wiring, references, required, short


def unused(wiring: Wiring, bound: Bound) -> Iterator[Finding]:
    """Yields a finding for each name that is bound and that nothing ever led to.

    What a later binding has put out of use is no mistake: an ablation that swaps a part leaves
    the old part's bindings behind. So a part that any binding ever led to counts as used, and what
    narrower scopes hide, if it is a file that was read later that binds it there.
    """
    former = Wiring([*_former(wiring, bound), *references(bound.loose)], wiring.declared)
    for key in wiring.unused():
        if key not in former.reached:
            yield _unused(key, wiring, bound)
    for key, parameter in wiring.hidden():
        statement = bound.statements[key, parameter]
        others = [bound.statements[each, parameter] for each in _hiding(key, parameter, wiring)]
        undone = any(_undoes(other, statement, bound) for other in others)
        if not undone and (key, parameter) not in former.used:
            yield _hidden(key, parameter, statement, others)


def undefined(wiring: Wiring, bound: Bound) -> Iterator[Finding]:
    """Yields a finding for each macro, and each scope, that is used and never bound."""
    macros = {scope for scope, name in wiring.declared if name == MACRO}
    scopes = {scope for scope, name in wiring.declared if name != MACRO and scope}
    for reference, places in _used(bound).items():
        scope = "/".join(reference.scope)
        more = f" (and in {len(places) - 1} more places)" if len(places) > 1 else ""
        if reference.is_macro and wiring.macro(reference) is None:
            what = f"the macro {scope!r} is used but not defined"
            near = _defined(nearest(scope, macros), macros, bound)
        elif not reference.is_macro and not _is_outer(scope, scopes):
            what = f"nothing is bound under the scope {scope!r}"
            near = nearest(scope, scopes)
        else:
            continue
        yield Finding(places[0], f"{what}{near}{more}")


def circular(wiring: Wiring, bound: Bound) -> Iterator[Finding]:
    """Yields a finding for each macro that stands for itself, if by way of others."""
    for scope, name in wiring.declared:
        if name != MACRO:
            continue
        way = _way(wiring, scope, (scope,))
        if way and scope == min(way):  # Once a circle.
            where = bound.place((scope, MACRO), "value")
            yield Finding(where, f"the macro {scope} stands for itself: {' -> '.join(way)}")


def missing(wiring: Wiring, bound: Bound) -> Iterator[Finding]:
    """Yields a finding for each part that gin calls and that lacks a value.

    A part that is passed on uncalled may get the rest from whoever calls it.
    """
    scopes = {scope for scope, name in wiring.declared if name != MACRO and scope}
    uses = {reference: places[0] for reference, places in _used(bound).items()}
    astray = {(key[1], name) for key in wiring.unused() for name in wiring.declared[key]}
    for part in wiring.objects():
        scope = "/".join(part.reference.scope)
        if not part.called or not _is_outer(scope, scopes):
            continue
        for name in lacking(part):
            if (part.reference.name, name) in astray:  # Bound, but under a scope of no use.
                continue
            yield Finding(
                uses.get(part.reference, ""),
                f"{part.title}.{name} has no value: bind it in a gin file, or pass "
                f"--gin.{part.title}.{name}=VALUE ({where_defined(part.reference.target)})",
            )


def lacking(part: Part) -> list[str]:
    """Returns the parameters that need a value and have none."""
    return [name for name in required(part.reference.target) if name not in part.origin]


def _former(wiring: Wiring, bound: Bound) -> list[Reference]:
    """Returns what bindings that are undone now led to.

    A reference without a scope may have been held by a part of any scope that some other has.
    """
    every = [(reference, at) for at in bound.every for reference in references(at[1])]
    undone = {each for each, (name, _, at) in every if bound.statements[name] is not at}
    macros = {"/".join(each.scope) for each in undone if each.is_macro}
    names = {each.name for each in undone if not each.is_macro and not each.scope}
    scopes = {"/".join(each.scope) for each, _ in every if not each.is_macro}
    left = [*wiring.unused(), *(key for key, _ in wiring.hidden())]
    return [
        *(each for each in undone if each.scope),
        *(
            Reference(_scope(scope), name, object, True)
            for scope, name in left
            if (scope in macros if name == MACRO else name in names and _is_outer(scope, scopes))
        ),
    ]


def _used(bound: Bound) -> dict[Reference, list[str]]:
    """Returns each reference in force with the places of its use."""
    uses: dict[Reference, list[str]] = {}
    for (key, parameter), statement in bound.statements.items():
        for reference in references(bound.declared[key][parameter]):
            uses.setdefault(reference, []).append(statement.place)
    return uses


def _way(wiring: Wiring, name: str, way: tuple[str, ...]) -> tuple[str, ...]:
    """Returns the way from a macro back to itself, () if there is none."""
    for reference in references(wiring.declared[name, MACRO]["value"]):
        inner = wiring.macro(reference) if reference.is_macro else None
        if inner == way[0]:
            return (*way, inner)
        if inner is not None and inner not in way:
            found = _way(wiring, inner, (*way, inner))
            if found:
                return found
    return ()


def _scope(written: str) -> Scope:
    return tuple(filter(None, written.split("/")))


def _is_outer(scope: str, scopes: Iterable[str]) -> bool:
    """Returns whether a scope is one of these, or holds one of them."""
    return not scope or any(f"{each}/".startswith(f"{scope}/") for each in scopes)


def _defined(offer: str, macros: Iterable[str], bound: Bound) -> str:
    """Returns the offer of a macro with the place of its definition."""
    for macro in macros:
        if offer and repr(macro) in offer:
            return f"{offer} (defined in {bound.place((macro, MACRO), 'value')})"
    return offer


def _hiding(key: Key, parameter: str, wiring: Wiring) -> list[Key]:
    """Returns what the parts for which a binding holds take the parameter from instead."""
    outer, name = _scope(key[0]), key[1]
    inside = [
        part
        for part in wiring.parts.values()
        if part.reference.name == name and part.scope[: len(outer)] == outer
    ]
    return list(dict.fromkeys(part.origin[parameter] for part in inside))


def _undoes(later: Statement, earlier: Statement, bound: Bound) -> bool:
    """Returns whether one statement overrides another of a file that was read before its own."""
    return later.source is not earlier.source and bound.order(later) > bound.order(earlier)


def _unused(key: Key, wiring: Wiring, bound: Bound) -> Finding:
    parameter = next(iter(wiring.declared[key]))
    statement = bound.statements[key, parameter]
    is_macro = key[1] == MACRO
    parts = [part for part in wiring.parts.values() if part.reference.is_macro == is_macro]
    alike = {short(("/".join(part.scope), part.reference.name)) for part in parts}
    title = short(key)
    what = f"the macro {title!r}" if is_macro else f"{title}.{parameter}"
    return Finding(statement.head, f"nothing uses {what}{nearest(title, alike)}")


def _hidden(key: Key, parameter: str, statement: Statement, hiding: Iterable[Statement]) -> Finding:
    title = f"{short(key)}.{parameter}"
    others = ", ".join(
        f"{short((each.binding.scope, each.binding.selector))}.{parameter} ({each.place})"
        for each in hiding
    )
    return Finding(
        statement.place,
        f"nothing uses {title}: {others} takes its place; bind that, or leave it out",
    )
