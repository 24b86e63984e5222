"""The component tree: the parts as they are wired, with every argument, told from its default.

Mirasol.detach_target = False    ->  set to another value than its default, True
Mirasol.shared_vit = False       ->  its default, bound or not
Mirasol.combiner = @Combiner()   ->  a part, with arguments of its own
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

from mirasol.wiring import MACRO, Part, Reference, Scope, Wiring, references

Node = dict[str, Any]


def tree(wiring: Wiring) -> Node:
    """Returns the root's node.

    A node is {"part", "module", "scope", "arguments"}; an argument {"name", "value", "state",
    "default", "macro", "parts"}. `value` and `default` are text; `state` is "required" (it has no
    default), "default" or "changed"; `macro` is the name of the macro that it is bound to, if it
    is bound to one; `parts` are the nodes that its value refers to.
    """
    root = next(iter(wiring.parts.values()))
    return _node(wiring, root)


def _node(wiring: Wiring, part: Part) -> Node:
    name = part.reference.name
    bound = wiring.values(part)
    known = inspect.signature(part.reference.target).parameters
    return {
        "part": name.rpartition(".")[2],
        "module": name.rpartition(".")[0],
        "scope": "/".join(part.scope),
        "arguments": [
            _argument(wiring, part.scope, parameter, bound) for parameter in known.values()
        ],
    }


def _argument(
    wiring: Wiring, scope: Scope, parameter: inspect.Parameter, bound: dict[str, Any]
) -> dict[str, Any]:
    default, given = parameter.default, bound.get(parameter.name, parameter.default)
    value = wiring.expand(given)
    required = default is inspect.Parameter.empty
    changed = not required and parameter.name in bound and value != default
    is_macro = isinstance(given, Reference) and given.is_macro
    return {
        "name": parameter.name,
        "value": None if value is inspect.Parameter.empty else _text(value),
        "state": "required" if required else "changed" if changed else "default",
        "default": None if required else _text(default),
        "macro": "/".join(given.scope) if is_macro else None,
        "parts": [
            _node(wiring, wiring.parts[inner_scope, reference.name])
            for reference, inner_scope in _referred(wiring, given, scope)
        ],
    }


def _referred(wiring: Wiring, value: Any, scope: Scope) -> Iterator[tuple[Reference, Scope]]:
    """Yields what a value refers to, with the scope that it is built in; macros are followed."""
    for reference in references(value):
        inner = reference.scope or scope
        if reference.is_macro:
            macro = wiring.declared["/".join(reference.scope), MACRO]["value"]
            yield from _referred(wiring, macro, inner)
        else:
            yield reference, inner


def _text(value: Any) -> str:
    """Returns a value as a gin file would write it; of a default that no file can, its class."""
    plain = isinstance(value, Reference | list | tuple | dict | str | int | float | None)
    return repr(value) if plain else type(value).__name__
