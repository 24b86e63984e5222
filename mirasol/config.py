"""The only module that knows gin: files and flags -> one checked statement of an experiment.

    spec = load(["runs/av_shapes_tiny.gin"], ["TRAIN_STEPS = 100"])
    experiment = spec.build()

gin stops at the first mistake, and lets some pass in silence. So the text is checked before gin
reads it, to its end, and everything that is wrong with it is told at once: `load` checks the text,
`check` builds each part besides. gin's state is global: a spec keeps its own text and restores it
to build, so several can be loaded in one process, one after the other. What an experiment builds
later than `build()` (its model, under a seed) it must build before the next `load` or `build`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TextIO

import gin

from mirasol import gin_messages
from mirasol.examination import Examined, examine, imported
from mirasol.findings import ExperimentError
from mirasol.gin_files import find
from mirasol.statements import Reader
from mirasol.wiring import (
    MACRO,
    Declared,
    Key,
    Reference,
    Wiring,
    defaults,
    replace_leaves,
    required,
)

if TYPE_CHECKING:
    from mirasol.experiment import Experiment

ROOT = "mirasol.experiment.Experiment"
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
            return gin.get_configurable(imported(self.root))()
        except (TypeError, ValueError) as error:  # TypeError: text for a number, say.
            raise ValueError(gin_messages.in_building(error)) from error


def load(files: Sequence[str], bindings: Sequence[str] = (), root: str | None = None) -> Spec:
    """Reads gin files in order, then bindings; the last to bind a name wins.

    Args:
      files: looked for from here, then in the shipped folder.
      bindings: "NAME = VALUE", as in a gin file.
      root: module and class that everything is built for, ROOT by default.

    Raises:
      ExperimentError: a ValueError with all that is wrong: files, names, values, unused bindings.
    """
    root = root or ROOT
    return _spec(examine(files, bindings, root), root)


def check(
    files: Sequence[str],
    bindings: Sequence[str] = (),
    root: str | None = None,
    *,
    resumed: bool = False,
) -> Spec:
    """Reads as `load` does, and tries out the parts, without data, device or memory.

    Args:
      files: see `load`.
      bindings: see `load`.
      root: see `load`.
      resumed: whether a run goes on, for which a warm start is past.

    Raises:
      ExperimentError: with all that is wrong, also what the parts refuse, sizes that do not fit,
        and tasks, splits and files that are not there.
    """
    root = root or ROOT
    examined = examine(files, bindings, root)
    if examined.wiring is None:
        return _spec(examined, root)
    from mirasol.trial import Trial  # Imports torch.

    trial = Trial(examined.wiring, examined.bound, examined.broken)
    findings = [*examined.findings, *trial.run(imported(root), resumed=resumed)]
    return _spec(dataclasses.replace(examined, findings=findings), root)


def states_experiment(files: Sequence[str]) -> bool:
    """Returns whether the files state a whole experiment, rather than changes of one.

    Raises:
      ValueError: no such file.
    """
    reader = Reader()
    for name in files:
        reader.read_file(find(name))
    root = ROOT.rpartition(".")[2]
    bound = {item.written[2] for item in reader.statements if item.written[1] == root}
    return bound.issuperset(required(imported(ROOT)))


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


def _spec(examined: Examined, root: str) -> Spec:
    """Returns what gin makes of it.

    Raises:
      ExperimentError: something is wrong with it.
    """
    if examined.findings:
        raise ExperimentError(examined.findings)
    try:
        _parse(examined.texts)
    except Exception as error:
        if not gin_messages.raised_by_gin(error):
            raise
        raise ExperimentError([gin_messages.in_reading(error)]) from error
    return _parsed_spec(root)


def _parsed_spec(root: str) -> Spec:
    """Returns what gin holds now."""
    raw = gin.config._CONFIG  # gin-config 0.5.0 has no public way to list its bindings.
    declared = {
        key: {name: replace_leaves(_plain, value) for name, value in values.items()}
        for key, values in raw.items()
    }
    wiring = Wiring([_root_reference(declared, root)], declared)
    operative = {
        ("/".join(part.scope), part.reference.name): defaults(part.reference.target)
        | {name: raw[key][name] for name, key in part.origin.items()}
        for part in wiring.parts.values()
    }
    return Spec(
        # The text of gin.config_str(), of fewer bindings.
        declared=gin.config._config_str(_used(raw, wiring), _WIDTH),
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


def _used(raw: Declared, wiring: Wiring) -> Declared:
    """Returns the bindings without those that an ablation has put out of use.

    Read alone, these would look like mistakes.
    """
    used: dict[Key, dict[str, Any]] = {}
    for part in wiring.parts.values():
        for name, key in part.origin.items():
            used.setdefault(key, {})[name] = raw[key][name]
    return used


def _root_reference(declared: Declared, root: str) -> Reference:
    target = imported(root)
    for _, name in declared:
        if gin.config.ConfigurableReference(name, True).configurable.wrapped is target:
            return Reference((), name, target, True)
    raise AssertionError(f"nothing binds {root}")


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


def _short_parameter(name: str) -> str:
    scope, slash, rest = name.rpartition("/")
    return scope + slash + ".".join(rest.split(".")[-2:])
