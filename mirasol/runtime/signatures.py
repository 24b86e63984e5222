"""The shapes that a compiled function is called with: another one would compile it again."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator
from typing import Any, ParamSpec, TypeVar

import torch

from mirasol.batch import Batch

Inputs = ParamSpec("Inputs")
Output = TypeVar("Output")

Signature = dict[str, str]
"""Tensor -> its dtype and shape, such as "uint8 [4, 8]"."""


class Signatures:
    """Lets so many different shapes pass, and no more.

    A compiler of fixed shapes makes another program for every other shape: minutes, and no error. A
    batch that is cut differently by mistake would cost that in silence, perhaps at every step.

    Args:
      limit: how many.
    """

    def __init__(self, limit: int = 1):
        self._limit = limit
        self._seen: list[Signature] = []

    def check(self, *arguments: Any) -> None:
        """Notes the shapes of a call.

        Raises:
          ValueError: one too many; names the tensors that changed, from what, to what.
        """
        now = dict(_told(arguments))
        if now in self._seen:
            return
        if len(self._seen) == self._limit:
            raise ValueError(self._too_many(now))
        self._seen.append(now)

    def _too_many(self, now: Signature) -> str:
        nearest = max(self._seen, key=lambda seen: sum(now.get(n) == s for n, s in seen.items()))
        changed = [
            f"{name} is {now.get(name, 'missing')} and was {nearest.get(name, 'missing')}"
            for name in {**nearest, **now}
            if now.get(name) != nearest.get(name)
        ]
        return (
            f"a compiled function would be compiled again: {'; '.join(changed)}; it was promised "
            f"{self._limit} shape{'s' * (self._limit > 1)} of its inputs, and every batch of a "
            "stage must have the same"
        )


def checked(function: Callable[Inputs, Output], shapes: int) -> Callable[Inputs, Output]:
    """Returns the function with a check of the shapes that it is called with."""
    signatures = Signatures(shapes)

    @functools.wraps(function)
    def call(*arguments: Inputs.args, **named: Inputs.kwargs) -> Output:
        signatures.check(*arguments, *named.values())
        return function(*arguments, **named)

    return call


def _told(arguments: Any) -> Iterator[tuple[str, str]]:
    for path, leaf in torch.utils._pytree.tree_leaves_with_path(arguments):
        if isinstance(leaf, Batch):
            for field in dataclasses.fields(leaf):
                yield field.name, _text(getattr(leaf, field.name))
        elif isinstance(leaf, torch.Tensor):
            yield f"argument {torch.utils._pytree.keystr(path)}", _text(leaf)


def _text(tensor: torch.Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {list(tensor.shape)}"
