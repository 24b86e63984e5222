"""Each part of an experiment built by itself, without memory for its parameters.

What a part refuses is found; what holds a part that failed is not blamed for it:

    TransformerCombiner(heads=5)    refused: a finding
    VideoEncoder(tubelet=(3,8,8))   refused: another finding
    Mirasol(combiner=..., ...)      not tried
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import torch

from mirasol import lookups, rehearsal, sizes
from mirasol.bound import Bound
from mirasol.experiment import Experiment
from mirasol.findings import ExperimentError, Finding, fault
from mirasol.loose_ends import lacking
from mirasol.refusals import Refusal, refusal, told
from mirasol.wiring import (
    MACRO,
    UNKNOWN,
    Part,
    Reference,
    Scope,
    Wiring,
    parameters,
    references,
    replace_leaves,
    short,
)

PartKey = tuple[Scope, str]

# What a constructor raises at numbers that it cannot do with: torch's and Python's own, too.
_REFUSALS = (ValueError, TypeError, RuntimeError, ArithmeticError, OSError)
_FAILED = object()


class Trial:
    """Builds parts, and gathers what is wrong with each.

    Args:
      wiring: the parts.
      bound: for the places.
      broken: parts of which something is known to be wrong already.

    Attributes:
      findings: what is not there, and sizes that differ.
      refusals: what the parts refuse.
      built: part -> what it gave, or that it failed.
    """

    def __init__(self, wiring: Wiring, bound: Bound, broken: Iterable[PartKey]):
        self._wiring = wiring
        self._bound = bound
        self.built: dict[PartKey, Any] = dict.fromkeys(broken, _FAILED)
        self.refusals: list[Refusal] = []
        misfits = list(sizes.misfits(wiring, bound))
        self.findings = [finding for _, finding in misfits]
        self._misfits = {_key(part) for part, _ in misfits}
        for part, refused in sizes.indivisible(wiring, bound):
            if _key(part) not in self._misfits:
                self.refusals.append(refused)
                self.built[_key(part)] = _FAILED
        for part, finding in lookups.wrong_names(wiring, bound):
            self.findings.append(finding)
            self.built[_key(part)] = _FAILED
        for part in wiring.objects():
            self._build(_key(part))

    def run(self, root: Callable[..., Any], *, resumed: bool = False) -> list[Finding]:
        """Goes on to what the parts are together: tasks with their splits, sizes of a batch.

        Args:
          root: class of the experiment.
          resumed: whether a run goes on, for which a warm start is past.

        Returns:
          All that is wrong.
        """
        self.findings += lookups.missing_tasks(self._wiring, self._bound, self._given)
        parts = [part for part in self.built.values() if part is not _FAILED]
        for attempt in self._attempts(root, parts, resumed):
            try:
                attempt()
            except ExperimentError as error:
                for finding in error.findings:
                    self._find(finding.message)
            except _REFUSALS as error:
                self._find(str(error))
            except Exception as error:  # A part may be somebody's code.
                self._find(fault(error))
        return [*self.findings, *told(self.refusals)]

    def _attempts(
        self, root: Callable[..., Any], parts: list[Any], resumed: bool
    ) -> Iterator[rehearsal.Attempt]:
        yield from rehearsal.without_batch(parts)
        experiments = [each for each in parts if type(each) is root]
        if not resumed and (self._misfits or not experiments):
            yield from rehearsal.of_sources(parts)
        if self._misfits:  # They are known not to fit each other.
            return
        for experiment in experiments:  # One, unless a scope makes more of it.
            yield functools.partial(_try_batches, experiment)
            yield functools.partial(_try_rules, experiment)
            yield functools.partial(_try_sharing, experiment)
            yield experiment.require_packages
            if not resumed:
                yield functools.partial(_try_warm_start, experiment)
        if not experiments:
            yield from rehearsal.without_model(parts)

    def _build(self, key: PartKey) -> Any:
        if key not in self.built:
            part = self._wiring.parts[key]
            whole = not lacking(part)
            self.built[key] = self._call(part, self._values(part)) if whole else _FAILED
        return self.built[key]

    def _values(self, part: Part) -> Mapping[str, Any]:
        return {
            name: self._value(value, part.scope)
            for name, value in self._wiring.values(part).items()
        }

    def _value(self, value: Any, scope: Scope) -> Any:
        """Returns a value with parts for references; what a macro holds has the macro's scope."""

        def leaf(inner: Any) -> Any:
            if inner is UNKNOWN or self._wiring.expand(inner) is UNKNOWN:
                return _FAILED
            if not isinstance(inner, Reference):
                return inner
            if inner.is_macro:
                name = self._wiring.macro(inner)
                return self._value(self._wiring.declared[name or "", MACRO]["value"], inner.scope)
            key = (inner.scope or scope, inner.name)
            return self._build(key) if inner.called else self._later(key)

        return replace_leaves(leaf, value)

    def _later(self, key: PartKey) -> Any:
        """Returns what stands for a part that is passed on uncalled: it gives the one built."""
        part = self._wiring.parts[key]
        if lacking(part):  # Whoever calls it gives the rest.
            return functools.partial(part.reference.target, **self._values(part))
        whole = self._build(key)
        return _FAILED if whole is _FAILED else lambda: whole

    def _call(self, part: Part, values: Mapping[str, Any]) -> Any:
        failed = False

        def look(inner: Any) -> None:
            nonlocal failed
            failed |= inner is _FAILED

        replace_leaves(look, list(values.values()))
        if failed:
            return _FAILED
        try:
            with torch.device("meta"):
                return part.reference.target(**values)
        except Exception as error:  # Also somebody's code may be wrong.
            said = str(error) if isinstance(error, _REFUSALS) else fault(error)
            if not self._holds_misfit(part):  # Or it would say the same once more.
                self.refusals.append(refusal(self._wiring, self._bound, part, said))
            return _FAILED

    def _holds_misfit(self, part: Part) -> bool:
        values = [self._wiring.expand(value) for value in self._wiring.values(part).values()]
        held = {(each.scope or part.scope, each.name) for each in references(values)}
        return not self._misfits.isdisjoint({*held, _key(part)})

    def _given(self, part: Part, name: str) -> Any:
        """Returns a parameter's value or default; of a list, what in it did not fail."""
        values = {**parameters(part.reference.target), **self._wiring.values(part)}
        value = self._value(values[name], part.scope)
        if isinstance(value, list | tuple):
            return [each for each in value if each is not _FAILED]
        return value

    def _find(self, said: str) -> None:
        """Gathers what parts say of each other, with the place of what it names."""
        about: list[tuple[Part, list[str]]] = []
        for part in self._wiring.objects():
            title = short(("", part.reference.name))
            named = [name for name in part.origin if f"{title}.{name}" in said]
            if named or said.startswith(f"{title}: "):
                about.append((part, named))
        # Scopes make several parts of one class: what it tells the value of is meant.
        meant = [each for each in about if self._tells(said, *each)] or about
        if meant:
            part, named = meant[0]
            self.refusals.append(refusal(self._wiring, self._bound, part, said, named))
        else:
            self.findings.append(Finding("", " ".join(said.split())))

    def _tells(self, said: str, part: Part, names: list[str]) -> bool:
        """Returns whether a text that one of the parameters has stands in what is said."""
        values = self._wiring.values(part)
        given = [self._wiring.expand(values[name]) for name in names]
        return any(f"{text!r}" in said for text in _texts(given))


def _texts(value: Any) -> Iterator[str]:
    """Yields the texts in a value, those in lists too."""
    if isinstance(value, list | tuple):
        for inner in value:
            yield from _texts(inner)
    elif isinstance(value, str):
        yield value


def _try_batches(experiment: Experiment) -> None:
    with torch.device("meta"):
        model = experiment.model()  # The one that was built as a part.
    experiment.try_batches(model)


def _try_rules(experiment: Experiment) -> None:
    with torch.device("meta"):
        model = experiment.model()
    experiment.try_rules(model)


def _try_sharing(experiment: Experiment) -> None:
    with torch.device("meta"):
        model = experiment.model()
    experiment.try_sharing(model)


def _try_warm_start(experiment: Experiment) -> None:
    with torch.device("meta"):
        model = experiment.model()
    experiment.try_warm_start(model)


def _key(part: Part) -> PartKey:
    return part.scope, part.reference.name
