"""A small house of parts, so that tests of gin files need neither torch nor the real ones."""

from __future__ import annotations

import dataclasses
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mirasol import config

# A small house of parts, so that these tests need neither torch nor the real ones.


@dataclasses.dataclass(frozen=True)
class Layer:
    width: int
    dropout: float = 0.0


@dataclasses.dataclass(frozen=True)
class Stack:
    layer: Layer
    depth: int = 1

    def __post_init__(self):
        if self.depth < 1:
            raise ValueError(f"depth is {self.depth}; it must be above 0")


@dataclasses.dataclass(frozen=True)
class Pool:
    kind: str = "mean"


@dataclasses.dataclass(frozen=True)
class Root:
    name: str
    video: Stack
    audio: Stack
    model: Callable[[], Any]


def swallow(**anything):
    return anything


PARTS = """
from __gin__ import dynamic_registration
import toy

WIDTH = 8
toy.Root:
    video = @video/toy.Stack()
    audio = @audio/toy.Stack()
    model = @toy.Stack
toy.Stack.layer = @toy.Layer()
video/toy.Stack.depth = 2
audio/toy.Stack.depth = 1
toy.Layer.width = %WIDTH
"""


RUN = """
from __gin__ import dynamic_registration
import toy

include 'parts.gin'

STEPS = 3
toy.Root.name = 'run'
toy.Layer.dropout = %STEPS
"""


def move_in(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Makes the parts importable as `toy`, and goes to the folder, with the run in it."""
    module = types.ModuleType("toy")
    for part in (Layer, Stack, Pool, Root, swallow):
        setattr(module, part.__name__, part)
    monkeypatch.setitem(sys.modules, "toy", module)
    monkeypatch.chdir(folder)
    write(parts=PARTS, run=RUN)


def write(**files: str) -> None:
    for name, text in files.items():
        Path(f"{name}.gin").write_text(text)


def load(*files: str, flags: tuple[str, ...] = ()) -> config.Spec:
    return config.load(files or ["run.gin"], flags, root="toy.Root")


def refusal(*files: str, flags: tuple[str, ...] = ()) -> str:
    with pytest.raises(ValueError) as caught:
        load(*files, flags=flags)
    return str(caught.value)


def changed(text: str, old: str, new: str) -> str:
    assert old in text
    return text.replace(old, new)
