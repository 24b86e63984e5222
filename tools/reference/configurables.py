"""What the pages say of a configurable: a class or function that a gin file can name."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Argument:
    """An argument of a configurable, each field as its source says it.

    Attributes:
      default: "" where there is none.
      names: paths of the package's own classes and types in the annotation.
    """

    name: str
    annotation: str
    default: str
    meaning: str
    names: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Configurable:
    """A class or function that a gin file can name.

    Attributes:
      path: module and name, where it is defined.
      file: from the repository's root.
      summary: the first paragraph of its docstring.
      details: the others.
      forward: how it is called once it is built, "" where it is not.
      computes: the first paragraph about that.
      raises: (error, when).
    """

    path: str
    file: str
    summary: str
    details: str
    forward: str
    computes: str
    arguments: tuple[Argument, ...]
    raises: tuple[tuple[str, str], ...]

    @property
    def module(self) -> str:
        """Its module."""
        return self.path.rpartition(".")[0]

    @property
    def name(self) -> str:
        """Its name there."""
        return self.path.rpartition(".")[2]
