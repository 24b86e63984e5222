"""From a sweep's gin files to its trials, each checked as `check` does.

gin files -> Sweep -> variants x seeds -> base files + changes -> Spec -> id

A trial's id is the hash of its meaning and of the sources that it uses. So the same command finds
again what is done, in whatever order it is written, and a changed source makes another trial.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence

from mirasol import config
from mirasol.config import Spec
from mirasol.examination import examine
from mirasol.experiment import Experiment
from mirasol.findings import ExperimentError, Finding
from mirasol.gin_files import find
from mirasol.refusals import told as told_refusals
from mirasol.sweeps import sources
from mirasol.sweeps.evaluated import require_evaluated
from mirasol.sweeps.places import (
    once,
    other_ends,
    place_of_binding,
    place_of_label,
    place_of_plan,
    placed,
)
from mirasol.sweeps.plan import Sweep, Variant, told
from mirasol.trial import Trial

ROOT = "mirasol.sweeps.plan.Sweep"
Stated = tuple[Spec, Experiment]
Read = Callable[[tuple[str, ...], tuple[str, ...]], Stated]
"""(files, bindings) -> what they state."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Planned:
    """One trial of the plan.

    Attributes:
      id: of its meaning and sources.
      variant: axis -> label.
      seed: of the trial.
      files: gin files, as `train` takes them.
      bindings: over them.
      spec: what they state.
      steps: of its training.
      sources: file -> SHA-256, of those it uses.
      meaning: hash of its configuration alone.
    """

    id: str
    variant: Variant
    seed: int
    files: tuple[str, ...]
    bindings: tuple[str, ...]
    spec: Spec = dataclasses.field(repr=False)
    steps: int
    sources: dict[str, str] = dataclasses.field(repr=False)
    meaning: str


def checked(files: tuple[str, ...], bindings: tuple[str, ...]) -> Stated:
    """Reads a trial and tries it out, as `check` does."""
    spec = config.check(files, bindings)
    return spec, spec.build()


def loaded(files: tuple[str, ...], bindings: tuple[str, ...]) -> Stated:
    """Reads a trial, and no more."""
    spec = config.load(files, bindings)
    return spec, spec.build()


def read(files: Sequence[str], bindings: Sequence[str] = ()) -> Sweep:
    """Returns the sweep that gin files state.

    Raises:
      ExperimentError: all that is wrong with their text and numbers.
    """
    examined = examine(files, bindings, ROOT)
    found_out = [_of_sweep(each, files) for each in examined.findings]
    if examined.wiring is None:
        raise ExperimentError(found_out)
    trial = Trial(examined.wiring, examined.bound, examined.broken)
    findings = [*found_out, *trial.findings, *told_refusals(trial.refusals)]
    if findings:
        raise ExperimentError([*findings, *other_ends(examined.wiring, trial, files)])
    found = [each for each in trial.built.values() if isinstance(each, Sweep)]
    assert len(found) == 1, "one root"
    return found[0]


def _of_sweep(finding: Finding, files: Sequence[str]) -> Finding:
    """Returns a finding about gin files in general with what it means for a sweep's."""
    message = finding.message
    if message.startswith("no gin file given binds Sweep"):
        named = f"{', '.join(files)}: no sweep; a sweep binds plan.Sweep, as those of ablations/ do"
        return Finding("", f"{named} (docs/sweeps.md)")
    if finding.place.startswith("--gin.") and message.startswith("nothing uses the macro"):
        name = finding.place.removeprefix("--gin.")
        return Finding(
            finding.place,
            f"{message} in the sweep's own files; for all its trials it is one of Sweep.bindings, "
            f"for those of a label it goes into Axis.labels: '{name} = VALUE'",
        )
    return finding


def plan(
    sweep: Sweep,
    files: Sequence[str],
    bindings: Sequence[str] = (),
    *,
    read_first: Read = checked,
) -> list[Planned]:
    """Returns the trials, each variant with all its seeds.

    Args:
      sweep: that the files state.
      files: for the places of mistakes.
      bindings: over them, for the same.
      read_first: reads the first trial of each variant; the others differ in their seeds alone.

    Raises:
      ExperimentError: all that is wrong with any of them, with file and line of the sweep.
    """
    findings: list[Finding] = []
    trials: list[Planned] = []
    for variant in _variants(sweep, files, bindings):
        try:
            trials += _of_variant(sweep, variant, read_first)
        except ExperimentError as error:
            findings += [placed(each, sweep, variant, files) for each in error.findings]
    if findings:
        raise ExperimentError(once(findings))
    if alike := list(_alike(trials, files, bindings)):
        raise ExperimentError(alike)
    return trials


def _variants(sweep: Sweep, files: Sequence[str], bindings: Sequence[str]) -> list[Variant]:
    try:
        return sweep.variants()
    except ValueError as error:
        place = place_of_plan(str(error), sweep, files, bindings)
        raise ExperimentError([Finding(place, str(error))]) from None


def _of_variant(sweep: Sweep, variant: Variant, read_first: Read) -> Iterator[Planned]:
    chosen = [axis.labels[variant[axis.name]] for axis in sweep.axes]
    changes = [each for label in chosen for each in label]
    files = (*sweep.base, *(each for each in changes if not _is_binding(each)))
    bound = (*sweep.bindings, *filter(_is_binding, changes))
    for file in files:
        _require_file(file)
    steps = 0
    for number, seed in enumerate(sweep.seeds):
        bindings = (*bound, f"SEED = {seed}")
        if number == 0:
            spec, experiment = read_first(files, bindings)
            require_evaluated(sweep, experiment)
            steps = experiment.trainer.steps
        else:
            spec = config.load(files, bindings)
        used, meaning = sources.used(spec), sources.digest(dict(spec.meaning))
        yield Planned(
            id=sources.digest([meaning, used]),
            variant=variant,
            seed=seed,
            files=files,
            bindings=bindings,
            spec=spec,
            steps=steps,
            sources=used,
            meaning=meaning,
        )


def _is_binding(text: str) -> bool:
    return "=" in text


def _require_file(name: str) -> None:
    try:
        find(name)
    except ValueError as error:
        raise ExperimentError([Finding(name, str(error))]) from None


def _titled(trial: Planned) -> str:
    return f"{told(trial.variant)} seed {trial.seed}"


def _alike(
    trials: Sequence[Planned], files: Sequence[str], bindings: Sequence[str]
) -> Iterator[Finding]:
    """Yields each trial that means the same as one before it: one would pass for two.

    Two variants are told once, whatever the seeds, and two seeds once, whatever the variant.
    """
    known: dict[str, Planned] = {}
    pairs: dict[tuple[object, object], tuple[Planned, Planned]] = {}
    for trial in trials:
        other = known.setdefault(trial.meaning, trial)
        if other is not trial:
            here, there = told(trial.variant), told(other.variant)
            key = (here, there) if here != there else (trial.seed, other.seed)
            pairs.setdefault(key, (trial, other))
    for trial, other in pairs.values():
        said = (
            f"{_titled(trial)} means the same as {_titled(other)}: leave one out, or give it "
            "what sets it apart"
        )
        differing = [name for name in trial.variant if trial.variant[name] != other.variant[name]]
        if differing:
            label = trial.variant[differing[0]]
            place = place_of_label(differing[0], label, files, bindings)
        else:
            place = place_of_binding("Sweep.seeds", files, bindings)
        yield Finding(place or files[-1], said)
