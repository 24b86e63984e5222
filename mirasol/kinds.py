"""Kinds of values: whether a bound value is what the parameter's annotation asks for.

    tubelet: tuple[int, int, int]     8           refused: it must be (a whole number, ...)
    seed: int                         None        refused: it must be a whole number
    max_clips: int | None             None        taken
    trainer: Trainer                  @Trainer()  taken

The parts themselves check ranges; this, before anything is built, that there is a number at all.
"""

from __future__ import annotations

import collections.abc
import inspect
import math
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any

from mirasol.wiring import Part, Reference, Wiring

_EXACT: Mapping[Any, tuple[type, ...]] = {
    int: (int,),
    float: (float, int),
    bool: (bool,),  # Not int: 3 is no answer to yes or no; nor bool for int.
    str: (str,),
    type(None): (type(None),),
}
_WORDS: Mapping[Any, str] = {
    int: "a whole number",
    float: "a number",
    bool: "True or False",
    str: "text in quotes",
    type(None): "None",
}
_UNIONS = (typing.Union, types.UnionType)
_CONTAINERS = (tuple, list, dict, collections.abc.Sequence, collections.abc.Mapping)


def check_kinds(wiring: Wiring) -> None:
    """Raises ValueError for the first bound value of a kind that its parameter does not take."""
    for part in wiring.objects():
        kinds = _kinds(part.reference.target)
        for name, value in wiring.values(part).items():
            if name in kinds and not allows(kinds[name], wiring.expand(value)):
                raise ValueError(_refusal(wiring, part, name, kinds[name]))


def allows(kind: Any, value: Any) -> bool:
    """Returns whether `value` is of the annotated kind; of a kind that is not known, all are.

    Args:
      kind: the annotation, evaluated.
      value: a literal, or a Reference, or a list, tuple or dict of them; no macros.
    """
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin in _UNIONS:
        return any(allows(each, value) for each in inner)
    if kind is float and type(value) is float:
        return math.isfinite(value)  # Infinity has no literal: the workdir could not hold it.
    if kind in _EXACT:
        return type(value) in _EXACT[kind] or _may_return(value)
    if origin is collections.abc.Callable:
        return isinstance(value, Reference) and not value.called
    if origin in _CONTAINERS and _may_return(value):
        return True  # @tubes.tubes_for_images() gives a tuple, say.
    if origin is tuple and Ellipsis not in inner:
        right_length = isinstance(value, list | tuple) and len(value) == len(inner)
        return right_length and all(map(allows, inner, value))
    if origin in (tuple, list, collections.abc.Sequence):
        return isinstance(value, list | tuple) and all(allows(inner[0], each) for each in value)
    if origin in (dict, collections.abc.Mapping):
        return isinstance(value, dict)
    if inspect.isclass(kind) and kind.__module__.startswith("mirasol."):
        return _may_return(value)  # Not asked of what class: what acts like a part may be one.
    return True


def words(kind: Any) -> str:
    """Returns what an annotation allows, for people."""
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin in _UNIONS:
        return " or ".join(words(each) for each in inner)
    if origin is collections.abc.Callable:
        return "a part that is not called yet, @NAME"
    if origin is tuple and Ellipsis not in inner:
        return f"({', '.join(words(each) for each in inner)})"
    if origin in (tuple, list, collections.abc.Sequence):
        return f"a list, each item {words(inner[0])}"
    return _WORDS.get(kind) or f"a part, @NAME(), of the kind {getattr(kind, '__name__', kind)}"


def _may_return(value: Any) -> bool:
    """Returns whether the value is what a called part gives, which is not known yet."""
    return isinstance(value, Reference) and value.called


def _kinds(target: Callable[..., Any]) -> dict[str, Any]:
    """Returns the annotated parameters; none where the annotations cannot be evaluated."""
    try:
        found = inspect.signature(target, eval_str=True).parameters.values()
    except NameError:  # A name imported for type checkers alone.
        return {}
    return {item.name: item.annotation for item in found if item.annotation is not item.empty}


def _refusal(wiring: Wiring, part: Part, name: str, kind: Any) -> str:
    written = wiring.values(part)[name]
    value = wiring.expand(written)
    macro = f" ({written!r})" if repr(written) != repr(value) else ""
    return f"{part.title}.{name}{macro} is {value!r}; it must be {words(kind)}"
