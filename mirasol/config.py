"""The only module that knows gin: files and flags -> one checked statement of an experiment.

    spec = load(["runs/av_shapes_tiny.gin"], ["TRAIN_STEPS = 100"])
    experiment = spec.build()

gin refuses unknown names but lets three mistakes pass in silence, so they are looked for here:
a binding that nothing uses (a macro or a scope misspelt), one above an `include` (lost), and the
same one twice in a file. gin's state is global: a spec keeps its own text and restores it to
build, so several can be loaded in one process, one after the other. What an experiment builds
later than `build()` (its model, under a seed) it must build before the next `load` or `build`.
"""

from __future__ import annotations

import dataclasses
import importlib
import importlib.util  # gin-config 0.5.0 uses it without importing it.
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TextIO

import gin
from gin import config_parser

from mirasol import gin_messages, statements
from mirasol.gin_files import find, runs
from mirasol.kinds import check_kinds
from mirasol.statements import Item, ItemError, Reader, Statement
from mirasol.wiring import (
    MACRO,
    Declared,
    Reference,
    Wiring,
    check_parameters,
    defaults,
    references,
    replace_leaves,
    required,
)

if TYPE_CHECKING:
    from mirasol.experiment import Experiment

ROOT = "mirasol.experiment.Experiment"
_ONLY_A_PART = "; models, data and overlays are parts of a run: give that first, such as {}"
_WIDTH = 100  # Characters a line, soft, of the files that are written.


@dataclasses.dataclass(frozen=True)
class Spec:
    """A checked statement of an experiment.

    Attributes:
      declared: every binding in use as one gin file that needs no other (`config.gin`).
      operative: every parameter of every part that the root leads to, defaults too, as a gin
        file (`operative_config.gin`).
      meaning: parameter -> value as text, macros filled in: equal for equal experiments.
      macros: name -> value.
      root: module and class of the root.
      wiring: the parts that the root leads to.
    """

    declared: str
    operative: str
    meaning: Mapping[str, str]
    macros: Mapping[str, Any]
    root: str
    wiring: Wiring = dataclasses.field(repr=False, compare=False)

    def build(self) -> Experiment:
        """Builds the experiment and all its parts, but for those it builds itself later.

        Raises:
          ValueError: a part refuses its parameters.
        """
        gin.clear_config()
        gin.parse_config(self.declared)
        gin.finalize()
        try:
            return gin.get_configurable(_imported(self.root))()
        except (TypeError, ValueError) as error:  # TypeError: text for a number, say.
            raise ValueError(gin_messages.in_building(error)) from error


def load(files: Sequence[str], bindings: Sequence[str] = (), root: str | None = None) -> Spec:
    """Reads gin files in order, then bindings; the last to bind a name wins.

    Args:
      files: looked for from here, then in the shipped folder.
      bindings: "NAME = VALUE", as in a gin file.
      root: module and class that everything is built for, ROOT by default.

    Raises:
      ValueError: in one line, whatever is wrong: a file, a name, a value, an unused binding.
    """
    reader = Reader(_items)
    for name in files:
        reader.read_file(find(name))
    for binding in bindings:
        reader.read_flag(binding)
    written = reader.statements
    try:
        _parse(reader.texts)
    except Exception as error:
        if not gin_messages.raised_by_gin(error):
            raise
        names, macros = statements.names(written), statements.macros(written)
        message = gin_messages.in_reading(error, names, macros, _lookup)
        if not _is_whole(written, root or ROOT):
            message += _ONLY_A_PART.format(_runs())
        raise ValueError(message) from error
    return _spec(written, root or ROOT)


def states_experiment(files: Sequence[str]) -> bool:
    """Returns whether the files state a whole experiment, rather than changes of one.

    Raises:
      ValueError: no such file, or no gin.
    """
    reader = Reader(_items)
    for name in files:
        reader.read_file(find(name))
    return _is_whole(reader.statements, ROOT)


def differences(ours: Spec, theirs: Spec) -> list[str]:
    """Returns "NAME: ours, not theirs" for each difference in meaning, macros first."""
    if ours.meaning == theirs.meaning:
        return []
    found = []
    for here, there in ((ours.macros, theirs.macros), (ours.meaning, theirs.meaning)):
        shared = [name for name in here if name in there]
        lonely = sorted(here.keys() ^ there.keys())
        for name in [*sorted(shared), *lonely]:
            a, b = str(here.get(name, "unset")), str(there.get(name, "unset"))
            if a != b:
                found.append(f"{_short_parameter(name)}: {a}, not {b}")
    return found


def _spec(written: Sequence[Statement], root: str) -> Spec:
    """Returns what gin has just read, checked."""
    raw = gin.config._CONFIG  # gin-config 0.5.0 has no public way to list its bindings.
    declared = {
        key: {name: replace_leaves(_plain, value) for name, value in values.items()}
        for key, values in raw.items()
    }
    wiring = Wiring([_root_reference(declared, root)], declared)
    statements.check_used(wiring, written)
    check_parameters(wiring)
    check_kinds(wiring)
    operative = {
        ("/".join(part.scope), part.reference.name): defaults(part.reference.target)
        | {name: raw[key][name] for name, key in part.origin.items()}
        for part in wiring.parts.values()
    }
    # Without what an ablation has put out of use: read alone, it would look like a mistake.
    used: dict = {}
    for part in wiring.parts.values():
        for name, key in part.origin.items():
            used.setdefault(key, {})[name] = raw[key][name]
    return Spec(
        # The text of gin.config_str(), of fewer bindings.
        declared=gin.config._config_str(used, _WIDTH),
        # The text of gin.operative_config_str() once everything is built, but known beforehand.
        operative=gin.config._config_str(operative, _WIDTH),
        meaning=wiring.meaning(),
        macros={
            scope: wiring.expand(values["value"])
            for (scope, name), values in declared.items()
            if name == MACRO
        },
        root=root,
        wiring=wiring,
    )


def _root_reference(declared: Declared, root: str) -> Reference:
    target = _imported(root)
    for _, name in declared:
        if gin.config.ConfigurableReference(name, True).configurable.wrapped is target:
            return Reference((), name, target, True)
    raise ValueError(f"no gin file given binds {target.__name__}{_ONLY_A_PART.format(_runs())}")


def _is_whole(written: Sequence[Statement], root: str) -> bool:
    """Returns whether the root's values are all bound, as in a run and not in a part of one."""
    name = root.rpartition(".")[2]
    bound = {item.key[2] for item in written if item.key[1] == name}
    return bound.issuperset(required(_imported(root)))


def _runs() -> str:
    return " or ".join(f"--gin_file={name}" for name in runs())


def _plain(value: Any) -> Any:
    if not isinstance(value, gin.config.ConfigurableReference):
        return value
    target = value.configurable
    return Reference(tuple(value.scopes), target.selector, target.wrapped, value.evaluate)


def _parse(texts: Sequence[TextIO]) -> None:
    gin.clear_config()
    for text in texts:
        gin.parse_config(text)
    gin.finalize()


def _imported(name: str) -> Callable[..., Any]:
    module, _, attribute = name.rpartition(".")
    return getattr(importlib.import_module(module), attribute)


def _lookup(name: str) -> Callable[..., Any] | None:
    try:
        return gin.config.ConfigurableReference(name, True).configurable.wrapped
    except (ValueError, KeyError):  # Unknown, or several.
        return None


def _short_parameter(name: str) -> str:
    scope, slash, rest = name.rpartition("/")
    return scope + slash + ".".join(rest.split(".")[-2:])


class _BareNames(config_parser.ParserDelegate):
    """Leaves names as they are written."""

    def configurable_reference(self, scoped_configurable_name, evaluate):
        *scope, name = scoped_configurable_name.split("/")
        return Reference(tuple(scope), name.rpartition(".")[2], object, evaluate)

    def macro(self, macro_name):
        return Reference(tuple(macro_name.split("/")), MACRO, object, True)


def _items(text: str) -> Iterator[Item]:
    """Yields what a text states, names unresolved.

    Raises:
      ItemError: the text is no gin.
    """
    try:
        for item in config_parser.ConfigParser(text, _BareNames()):
            if isinstance(item, config_parser.IncludeStatement):
                yield Item(item.location.line_num, include=item.filename)
            elif isinstance(item, config_parser.BindingStatement):
                name = item.selector.rpartition(".")[2]
                key = (item.scope, name, item.arg_name)
                if not item.arg_name:
                    key = ("/".join(filter(None, [item.scope, name])), MACRO, "value")
                found = tuple(references(item.value))
                yield Item(item.location.line_num, binds=key, references=found)
    except SyntaxError as error:
        line = error.args[1][1] if len(error.args) > 1 else 1
        raise ItemError(line, gin_messages.in_syntax(error)) from error
