"""Types of values: whether a bound value is what the parameter's annotation asks for.

    tubelet: tuple[int, int, int]     8           refused: it must be (a whole number, ...)
    seed: int                         None        refused: it must be a whole number
    max_clips: int | None             None        taken
    precision: Literal["float32"]     "flaot32"   refused: it must be 'float32'
    trainer: Trainer                  @Trainer()  taken

The parts themselves check ranges; this, before anything is built, that there is a number at all.
"""

from __future__ import annotations

import collections.abc
import dataclasses
import functools
import inspect
import math
import types
import typing
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

from mirasol.wiring import UNKNOWN, Reference

_UNIONS = (typing.Union, types.UnionType)
_SEQUENCES = (tuple, list, collections.abc.Sequence)
_MAPPINGS = (dict, collections.abc.Mapping)


@dataclasses.dataclass(frozen=True)
class ValueType:
    """A type of annotations that the table below knows.

    Attributes:
      covers: (annotation) -> whether it is of this type.
      takes: (annotation, value) -> whether the value is of it.
      phrase: (annotation) -> what it allows, for people.
    """

    covers: Callable[[Any], bool]
    takes: Callable[[Any, Any], bool]
    phrase: Callable[[Any], str]


def takes(annotation: Any, value: Any) -> bool:
    """Returns whether `value` is of the annotated type; of one that is not known, all are.

    Args:
      annotation: evaluated.
      value: a literal, or a Reference, or a list, tuple or dict of them; no macros.
    """
    return value is UNKNOWN or _row(annotation).takes(annotation, value)


def phrase(annotation: Any) -> str:
    """Returns what an annotation allows, for people."""
    return _row(annotation).phrase(annotation)


def choices(annotation: Any) -> list[str]:
    """Returns the texts that an annotation lists, none where it lists none."""
    return [each for each in _inner(annotation) if isinstance(each, str)]


@functools.lru_cache
def parameter_types(target: Callable[..., Any]) -> Mapping[str, Any]:
    """Returns the annotated parameters; none where the annotations cannot be evaluated."""
    try:
        found = inspect.signature(target, eval_str=True).parameters.values()
    except Exception:  # Annotations are somebody's code.
        return {}
    return {item.name: item.annotation for item in found if item.annotation is not item.empty}


def _exactly(annotation: type, allowed: tuple[type, ...], words: str) -> ValueType:
    """Returns the row of a plain type: True is no number, and 1 neither True nor False."""
    return ValueType(
        covers=lambda other: other is annotation,
        takes=lambda _, value: type(value) in allowed or _may_return(value, *allowed),
        phrase=lambda _: words,
    )


def _inner(annotation: Any) -> tuple[Any, ...]:
    return typing.get_args(annotation)


def _comes_from(*origins: Any) -> Callable[[Any], bool]:
    return lambda annotation: typing.get_origin(annotation) in origins


def _is_fixed_tuple(annotation: Any) -> bool:
    return typing.get_origin(annotation) is tuple and Ellipsis not in _inner(annotation)


def _is_ours(annotation: Any) -> bool:
    return inspect.isclass(annotation) and annotation.__module__.startswith("mirasol.")


def _takes_float(_: Any, value: Any) -> bool:
    # Infinity has no literal: the workdir could not hold it.
    finite = type(value) in (float, int) and math.isfinite(value)
    return finite or _may_return(value, float, int)


def _takes_choice(annotation: Any, value: Any) -> bool:
    choices = _inner(annotation)
    return _may_return(value, *map(type, choices)) or any(
        type(value) is type(each) and value == each for each in choices
    )


def _takes_fixed_tuple(annotation: Any, value: Any) -> bool:
    if _may_return(value, tuple, list):
        return True  # @tubes.tubes_for_images() gives a tuple, say.
    right_length = isinstance(value, list | tuple) and len(value) == len(_inner(annotation))
    return right_length and all(map(takes, _inner(annotation), value))


def _takes_sequence(annotation: Any, value: Any) -> bool:
    item = _inner(annotation)[0]
    several = isinstance(value, list | tuple) and all(takes(item, each) for each in value)
    return several or _may_return(value, *_SEQUENCES)


def _takes_part(annotation: Any, value: Any) -> bool:
    if not isinstance(value, Reference) or not value.called:
        return False
    made = _made(value.target)
    # What somebody else wrote may act like a part without being one: it has what a part must have.
    foreign = made is None or not made.__module__.startswith(("mirasol.", "builtins"))
    acts_alike = made is None or set(_abstract(annotation)) <= set(dir(made))
    return (foreign and acts_alike) or _may_return(value, annotation)


def _abstract(part: type) -> list[str]:
    """Returns the names of the methods that every part of a class has to bring."""
    return sorted(getattr(part, "__abstractmethods__", ()))


def _part_phrase(part: type) -> str:
    methods = _abstract(part)
    bringing = f", with {', '.join(methods)}" if methods else ""
    return f"a part, @NAME(), such as {part.__name__}{bringing}"


def _may_return(value: Any, *kinds: type) -> bool:
    """Returns whether the value is what a called part gives, and that may be of these classes."""
    if not isinstance(value, Reference) or not value.called:
        return False
    made = _made(value.target)
    return made is None or not kinds or issubclass(made, kinds)


@functools.lru_cache
def _made(target: Callable[..., Any]) -> type | None:
    """Returns the class of what a class or function gives, None where that is not known."""
    if inspect.isclass(target):
        return target
    try:
        found = inspect.signature(target, eval_str=True).return_annotation
    except Exception:  # Annotations are somebody's code.
        return None
    if typing.get_origin(found) is Annotated:
        found = _inner(found)[0]
    found = typing.get_origin(found) or found
    return found if inspect.isclass(found) and found is not inspect.Signature.empty else None


def _is_uncalled(_: Any, value: Any) -> bool:
    return isinstance(value, Reference) and not value.called


# The first row that covers an annotation counts.
_TABLE = (
    ValueType(
        _comes_from(*_UNIONS),
        lambda annotation, value: any(takes(each, value) for each in _inner(annotation)),
        lambda annotation: " or ".join(phrase(each) for each in _inner(annotation)),
    ),
    ValueType(
        _comes_from(Annotated),
        lambda annotation, value: takes(_inner(annotation)[0], value),
        lambda annotation: _inner(annotation)[1],
    ),
    ValueType(
        _comes_from(Literal),
        _takes_choice,
        lambda annotation: " or ".join(map(repr, _inner(annotation))),
    ),
    ValueType(lambda annotation: annotation is float, _takes_float, lambda _: "a number"),
    _exactly(int, (int,), "a whole number"),
    _exactly(bool, (bool,), "True or False"),
    _exactly(str, (str,), "text in quotes"),
    _exactly(type(None), (type(None),), "None"),
    ValueType(
        _comes_from(collections.abc.Callable),
        _is_uncalled,
        lambda _: "a part that is not called yet, @NAME",
    ),
    ValueType(
        _is_fixed_tuple,
        _takes_fixed_tuple,
        lambda annotation: f"({', '.join(phrase(each) for each in _inner(annotation))})",
    ),
    ValueType(
        _comes_from(*_SEQUENCES),
        _takes_sequence,
        lambda annotation: f"a list, each item {phrase(_inner(annotation)[0])}",
    ),
    ValueType(
        _comes_from(*_MAPPINGS),
        lambda _, value: isinstance(value, dict) or _may_return(value, *_MAPPINGS),
        lambda _: "a dict",
    ),
    ValueType(
        _is_ours,
        _takes_part,
        _part_phrase,
    ),
    ValueType(lambda _: True, lambda *_: True, lambda _: "anything"),
)


def _row(annotation: Any) -> ValueType:
    return next(row for row in _TABLE if row.covers(annotation))
