"""Configurables and the shipped gin files together: what each is called, who uses it, where."""

from __future__ import annotations

from collections.abc import Sequence

from reference.configurables import Argument
from reference.markdown import anchor, code, link
from reference.shipped import GinFile, Named
from reference.sources import Sources

_LEGEND = "mirasol.batch"


class Index:
    """All configurables.

    Args:
      sources: of the package.
      files: the shipped gin files.

    Attributes:
      configurables: in the order in which the root leads to them.
      users: path -> the names of the files that name it.

    Raises:
      ValueError: a gin file names what is no configurable, or an argument has no meaning.
    """

    def __init__(self, sources: Sources, files: Sequence[GinFile]) -> None:
        self._sources = sources
        self.configurables = list(sources.configurables.values())
        self.users: dict[str, list[str]] = {each.path: [] for each in self.configurables}
        self._modules: dict[str, str] = {}
        for file in files:
            for named in file.named:
                self._note(file, named)
        mute = [
            f"{each.path}.{argument.name}"
            for each in self.configurables
            for argument in each.arguments
            if not argument.meaning
        ]
        if mute:
            raise ValueError(f"no docstring says what these mean: {', '.join(mute)}")

    def module(self, path: str) -> str:
        """Returns the module that gin files import it from, by default the one that defines it."""
        return self._modules.get(path, path.rpartition(".")[0])

    def title(self, path: str) -> str:
        """Returns what a gin file calls it."""
        return f"{self.module(path).rpartition('.')[2]}.{path.rpartition('.')[2]}"

    def link(self, path: str, suffix: str = "", page: str = "", *, short: bool = False) -> str:
        """Returns a link to it.

        Args:
          path: where it is defined.
          suffix: of the link's text.
          page: that it is on, seen from the page that links; "" for the same.
          short: whether the text leaves out the module.
        """
        text = self.title(path).rpartition(".")[2] if short else self.title(path)
        return link(code(text + suffix), page + anchor(self.title(path)))

    def resolved(self, named: Named) -> str:
        """Returns the path of what a gin file names, where it is defined."""
        return self._sources.find(named.path).path

    def given_to(self, argument: Argument) -> list[str]:
        """Returns the paths of all that can be given to an argument."""
        found = [path for name in argument.names for path in self._sources.giving(name)]
        return list(dict.fromkeys(found))

    def places(self, path: str) -> list[tuple[str, str]]:
        """Returns (path, argument) of each place where it can be given, but to itself."""
        return [
            (each.path, argument.name)
            for each in self.configurables
            for argument in each.arguments
            if path in self.given_to(argument) and path != each.path
        ]

    def open_bases(self, argument: Argument) -> list[str]:
        """Returns the abstract classes in its annotation, of which anybody may write more."""
        return [name for name in argument.names if self._sources.abstract(name)]

    def named_types(self, argument: Argument) -> dict[str, tuple[str, str]]:
        """Returns path -> (value, meaning) of the types in its annotation that have a name."""
        found = {name: self._sources.type_of(name) for name in argument.names}
        return {name: value for name, value in found.items() if value}

    def types(self) -> dict[str, tuple[str, str]]:
        """Returns those of all annotations."""
        arguments = [argument for each in self.configurables for argument in each.arguments]
        found = [self.named_types(argument) for argument in arguments]
        return dict(sorted({name: value for each in found for name, value in each.items()}.items()))

    def legend(self) -> str:
        """Returns the table of dimension letters.

        Raises:
          ValueError: the docstring that holds it has no third paragraph.
        """
        docstring = self._sources.find(_LEGEND).docstring
        paragraphs = docstring.value if docstring else ""
        legend = paragraphs.partition("\n\n")[2].partition("\n\n")[2]
        if not legend:
            raise ValueError(f"the third paragraph of {_LEGEND}'s docstring is to be the legend")
        return legend

    def _note(self, file: GinFile, named: Named) -> None:
        path = self.resolved(named)
        if path not in self.users:
            raise ValueError(
                f"gin/{file.name} names {named.selector}, which no argument takes by its type: "
                "annotate the argument that is to take it with its class, or what it returns"
            )
        self._modules.setdefault(path, named.path.rpartition(".")[0])
        if file.name not in self.users[path]:
            self.users[path].append(file.name)
