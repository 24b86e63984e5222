"""What a gin file can name: whatever gives a value that an experiment or a sweep takes.

    Experiment                                 the root of runs, as Sweep is that of sweeps
    Experiment.model: Callable[[], Mirasol]    so Mirasol
    Mirasol.combiner: Combiner                 abstract: so every class derived from it
    TubeVideoEncoder.tubes: Sequence[Tube]     so Tube, and every function that returns Tubes

The types in the signatures decide, so a class that is added to the package is found by itself. The
sources are read by griffe, which runs none of them.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from pathlib import Path

import griffe

from reference.configurables import Argument, Configurable
from reference.docstrings import forward, meanings, prose, raised

REPOSITORY = Path(__file__).parents[2]
PACKAGE = "mirasol"
ROOTS = ("mirasol.experiment.Experiment", "mirasol.sweeps.plan.Sweep")

_ABSTRACT = "abc.ABC"
_SELF = "self"


class Sources:
    """The package as it is written.

    Raises:
      ValueError: from every method, for what is not in it.
    """

    def __init__(self) -> None:
        package = griffe.load(
            PACKAGE,
            search_paths=[REPOSITORY],
            allow_inspection=False,
            try_relative_path=False,
            docstring_parser="google",
            docstring_options={"warnings": False},
        )
        assert isinstance(package, griffe.Module)
        self._collection = package.modules_collection
        # Files come in the order of the disk; the pages are to be the same on every machine.
        found = sorted(_defined(package), key=lambda each: (each.module.path, each.lineno or 0))
        self._classes = [each for each in found if isinstance(each, griffe.Class)]
        self._functions = [each for each in found if isinstance(each, griffe.Function)]
        self._giving: dict[str, list[str]] = {}

    def find(self, path: str) -> griffe.Object:
        """Returns what a path leads to, where it is defined."""
        try:
            found = self._collection[path]
            return found.final_target if isinstance(found, griffe.Alias) else found
        except (KeyError, griffe.AliasResolutionError) as error:
            raise ValueError(f"there is no {path} in the sources") from error

    @functools.cached_property
    def configurables(self) -> Mapping[str, Configurable]:
        """Path -> configurable, of all that the roots lead to."""
        found: dict[str, Configurable] = {}
        waiting = [*ROOTS]
        while waiting:
            path = waiting.pop(0)
            if path not in found:
                found[path] = self._read(self.find(path))
                wanted = [name for each in found[path].arguments for name in each.names]
                waiting += [given for name in wanted for given in self.giving(name)]
        return found

    def giving(self, path: str) -> list[str]:
        """Returns the paths of all that gives a value of a class or a type of the package."""
        if path not in self._giving:
            target = self.find(path)
            made = [each for each in self._classes if target in (each, *each.mro())]
            returned = [each for each in self._functions if path in self._names(each.returns)]
            final = [each for each in made if not is_abstract(each)]
            self._giving[path] = [each.path for each in (*final, *returned)]
        return self._giving[path]

    def type_of(self, path: str) -> tuple[str, str] | None:
        """Returns (value, meaning) of a type that has a name, None for a class."""
        found = self.find(path)
        if not isinstance(found, griffe.Attribute):
            return None
        return str(found.value), found.docstring.value if found.docstring else ""

    def abstract(self, path: str) -> bool:
        """Returns whether the path is that of an abstract class, of which there may be more."""
        found = self.find(path)
        return isinstance(found, griffe.Class) and is_abstract(found)

    def _read(self, target: griffe.Object) -> Configurable:
        assert isinstance(target, griffe.Class | griffe.Function)
        assert isinstance(target.filepath, Path)
        summary, details = prose(target)
        call, computes = forward(target)
        return Configurable(
            path=target.path,
            file=target.filepath.relative_to(REPOSITORY).as_posix(),
            summary=summary,
            details=details,
            forward=call,
            computes=computes,
            arguments=tuple(self._arguments(target)),
            raises=raised(target),
        )

    def _arguments(self, target: griffe.Class | griffe.Function) -> Iterator[Argument]:
        known = meanings(target)
        for parameter in target.parameters:
            if parameter.name != _SELF:
                yield Argument(
                    name=parameter.name,
                    annotation=str(parameter.annotation or ""),
                    default=self._default(parameter.default),
                    meaning=known.get(parameter.name, ""),
                    names=tuple(self._names(parameter.annotation)),
                )

    def _names(self, annotation: str | griffe.Expr | None) -> list[str]:
        """Returns the paths of the package's names in an annotation."""
        if not isinstance(annotation, griffe.Expr):
            return []
        paths = [
            each.canonical_path
            for each in annotation.iterate(flat=True)
            if isinstance(each, griffe.ExprName)
        ]
        own = [path for path in paths if path.startswith(f"{PACKAGE}.")]
        return list(dict.fromkeys(self.find(path).path for path in own))

    def _default(self, default: str | griffe.Expr | None) -> str:
        """Returns a default as text; of a constant of the package its value."""
        if not isinstance(default, griffe.ExprName):
            return str(default or "")
        found = self.find(default.canonical_path)
        return str(found.value) if isinstance(found, griffe.Attribute) else str(default)


def is_abstract(target: griffe.Class) -> bool:
    """Returns whether a class says of itself that it is abstract; others are final."""
    return any(
        isinstance(base, griffe.Expr) and base.canonical_path == _ABSTRACT for base in target.bases
    )


def _defined(module: griffe.Module) -> Iterator[griffe.Object]:
    """Yields each public class and function of a module and those below it, once."""
    for member in module.members.values():
        if isinstance(member, griffe.Module):
            yield from _defined(member)
        elif isinstance(member, griffe.Class | griffe.Function) and member.name[0] != "_":
            yield member
