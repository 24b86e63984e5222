"""What shipped gin files state, an experiment or a sweep of them, and what is wrong with it.

A slip leaves a sweep what it was where the plan stays the same: as many variants in the same order,
each of the same meaning, the same seeds, metrics and limits, and the same variant as the baseline.
What a label or an axis is called is the user's own, and no part of that: the trials, their ids and
what they are compared with do not hang on it, only the titles of rows. So a slip in a label that
stands in one place is another title; where it stands in two, among the labels and in the baseline,
the two do not agree, and that must be refused.
"""

from __future__ import annotations

import abc
import contextlib
import dataclasses
import functools
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from fuzzing.slips import Name, names
from mirasol import config
from mirasol.examination import examine
from mirasol.findings import ExperimentError
from mirasol.gin_files import runs, sweeps
from mirasol.sweeps import planning
from mirasol.sweeps.plan import Listed, Sweep
from mirasol.value_types import parameter_types
from mirasol.wiring import MACRO, Key, references

_SWEEP = "ablations/combiner.gin"  # With which a file is tried that only changes sweeps.
# Fields of a sweep that its trials and their baseline stand for, and its free text.
_TOLD_BY_TRIALS = ("hypothesis", "base", "bindings", "axes", "plan", "baseline")


class Stated(abc.ABC):
    """What files state, read anew whenever it is asked for.

    Attributes:
      root: class of what they state, with its module.
      files: as a command takes them.
    """

    root: str

    def __init__(self, files: Sequence[str]):
        self.files = list(files)

    @abc.abstractmethod
    def meaning(self) -> object:
        """Returns what is equal for equal statements.

        Raises:
          ExperimentError: it is rejected without being tried out.
        """

    @abc.abstractmethod
    def check(self) -> None:
        """Tries it out, of a sweep what is not as it was when this was made.

        Raises:
          ExperimentError: it is rejected.
          AssertionError: a variant of a sweep was rejected before, too.
        """

    def names(self, text: str) -> Iterator[Name]:
        """Yields the names in the text of a file of these: all but texts that may be any."""
        free = self._free_texts()
        for name in names(text):
            if not name.in_quotes or (name.line, name.text) not in free:
                yield from self._within(name)

    def _within(self, name: Name) -> Iterator[Name]:
        """Yields the names of which a name consists: itself."""
        yield name

    def _free_texts(self) -> set[tuple[int, str]]:
        """Returns line and text of the values of parameters that any text will do for."""
        examined = examine(self.files, (), self.root)
        wiring, bound = examined.wiring, examined.bound
        assert wiring is not None
        free: set[tuple[Key, str]] = set()
        naming: set[tuple[Key, str]] = set()
        for part in wiring.objects():
            known = parameter_types(part.reference.target)
            for parameter, value in wiring.values(part).items():
                kept = free if known.get(parameter) is str else naming
                kept |= {(part.origin[parameter], parameter)}
                kept |= {
                    ((wiring.macro(each) or "", MACRO), "value")
                    for each in references(value)
                    if each.is_macro
                }
        return {
            (statement.binding.line, statement.binding.value)
            for bound_name, statement in bound.statements.items()
            if bound_name in free - naming and isinstance(statement.binding.value, str)
        }


class StatedExperiment(Stated):
    """An experiment."""

    root = config.ROOT

    def meaning(self) -> object:
        """See `Stated`."""
        return config.load(self.files).meaning

    def check(self) -> None:
        """See `Stated`."""
        config.check(self.files)


class StatedSweep(Stated):
    """A sweep.

    What its variants state hangs on their files and bindings alone, and a slip in the sweep's own
    file changes few of these: the others are not read again. Seeds other than the first differ in
    SEED alone, and are left out.
    """

    root = planning.ROOT

    def __init__(self, files: Sequence[str]):
        super().__init__(files)
        keeping = functools.lru_cache(maxsize=64)  # All variants, and those of the last slips.
        self._loaded, self._checked = keeping(planning.loaded), keeping(planning.checked)
        trials = self._plan(planning.read(self.files), lambda _: self._loaded)
        self._before = [(trial.files, trial.bindings) for trial in trials]

    def meaning(self) -> object:
        """See `Stated`."""
        sweep = planning.read(self.files)
        try:
            trials = self._plan(sweep, lambda _: self._loaded)
        except ExperimentError:
            self._plan(sweep, self._try_out)  # May say more, and says it first.
            raise
        variants, baseline = sweep.variants(), sweep.ordered_baseline()
        place = variants.index(baseline) if baseline in variants else None
        rest = {
            field.name: getattr(sweep, field.name)
            for field in dataclasses.fields(sweep)
            if field.name not in _TOLD_BY_TRIALS
        }
        return [trial.spec.meaning for trial in trials], place, rest

    def check(self) -> None:
        """See `Stated`; the first variant that is rejected is enough."""
        self._plan(planning.read(self.files), self._try_out)

    def _plan(self, sweep: Sweep, reader: Callable[[int], planning.Read]) -> list[planning.Planned]:
        """Plans each variant by itself, and then all of them.

        Args:
          sweep: that the files state.
          reader: (number of a variant) -> what reads it.
        """
        alone = dataclasses.replace(sweep, seeds=sweep.seeds[:1])
        for number, variant in enumerate(alone.variants()):
            one = Listed(combinations=[variant])
            lonely = dataclasses.replace(alone, plan=one, baseline={})
            planning.plan(lonely, self.files, read_first=reader(number))
        return planning.plan(alone, self.files, read_first=reader(-1))

    def _try_out(self, number: int) -> planning.Read:
        """Returns what tries out a variant that has changed, once the one before it has passed."""

        def read(files: tuple[str, ...], bindings: tuple[str, ...]) -> planning.Stated:
            read_only = self._loaded(files, bindings)  # What it refuses need not be tried out.
            if (files, bindings) in self._before:
                return read_only
            before = self._before[min(number, len(self._before) - 1)]
            with sound(f"{self.files[-1]}, variant {number + 1}"):
                self._checked(*before)
            return self._checked(files, bindings)

        return read

    def _within(self, name: Name) -> Iterator[Name]:
        """Yields the names in a binding, 'WIDTH = 96'; its numbers are none."""
        if not name.in_quotes or "=" not in name.text:
            yield name
            return
        for inner in names(name.text):
            yield dataclasses.replace(inner, line=name.line, column=name.column + inner.column)


@contextlib.contextmanager
def sound(what: str) -> Iterator[None]:
    """Raises AssertionError for what is rejected without a slip: a slip would prove nothing."""
    try:
        yield
    except ExperimentError as error:
        raise AssertionError(f"{what} is rejected without a slip: {error}") from error


def stated(file: str) -> Stated:
    """Returns what a shipped file states, with others where it is a part."""
    if file in sweeps():
        whole = "hypothesis" in Path(file).read_text(encoding="utf-8")
        return StatedSweep([file] if whole else [_SWEEP, file])
    return StatedExperiment(_whole(file))


def _whole(file: str) -> list[str]:
    """Returns files that state an experiment of which the file is a part."""
    whole = runs()
    if file in whole:
        return [file]
    for run in ("runs/av_shapes_tiny.gin", *whole):
        if file in _included(run):
            return [run]
    if Path(file).parent.name == "models":  # A size, made for frames of 224 px.
        return ["runs/av_shapes_tiny.gin", "data/frames_16.gin", file]
    if Path(file).parent.name == "evaluation":  # Of splits that public sets alone have.
        return ["runs/finetune_msvd_qa.gin", file]
    return ["runs/av_shapes_tiny.gin", file]


def _included(file: str) -> set[str]:
    inner = re.findall(r"^include '(.*)'", Path(file).read_text(encoding="utf-8"), re.MULTILINE)
    return {*inner, *(each for name in inner for each in _included(name))}
