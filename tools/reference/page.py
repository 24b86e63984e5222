"""docs/reference.md: every configurable, by part of an experiment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from reference.configurables import Argument, Configurable
from reference.index import Index
from reference.markdown import anchor, code, link, paragraphs, prose, table

# Part -> the modules that make it up; of a package, all below it that no other part names.
PARTS = {
    "Experiment": ("mirasol.experiment",),
    "Data": ("mirasol.batch", "mirasol.data"),
    "Model": ("mirasol.models.mirasol3b", "mirasol.models.transformer"),
    "Encoders": ("mirasol.models.encoders", "mirasol.models.tubes"),
    "Combiners": (
        "mirasol.models.combiners",
        "mirasol.models.queries",
        "mirasol.models.token_turing",
        "mirasol.models.pooling",
    ),
    "Latent model": ("mirasol.models.latent",),
    "Reconstruction": ("mirasol.models.reconstruction",),
    "Text decoder": ("mirasol.models.decoder",),
    "Losses": ("mirasol.models.losses",),
    "Training": ("mirasol.training",),
    "Warm start": ("mirasol.checkpoint.warm_start", "mirasol.checkpoint.reshaping"),
    "Several devices": ("mirasol.runtime.mesh", "mirasol.runtime.sharding"),
    "Evaluation": ("mirasol.evaluation", "mirasol.models.generation", "mirasol.models.beam"),
    "Sweeps": ("mirasol.sweeps",),
}

_OPENING = """\
# Reference

All that a gin file can name: each class and function that gives a value which an argument of
[`experiment.Experiment`](#experimentexperiment) or [`plan.Sweep`](#plansweep), or of what they are
made of, takes. What an argument means is what its docstring says, what it takes is in its
signature. A gin file imports the module and binds arguments:

    from __gin__ import dynamic_registration
    from mirasol.models import latent

    latent.LatentModel.window = 4

The macros and scopes of the shipped files are in [gin/README.md](../gin/README.md); a class of your
own is written and used in [tutorial.md](tutorial.md). This page is made by
`python tools/make_reference.py`.
"""
_LEGEND = "Letters, here and at the end of the names of tensors (`x_BTMD`):"


def reference_page(index: Index) -> str:
    """Returns the page.

    Raises:
      ValueError: a configurable of a module that no part has.
    """
    parts = _parted(index.configurables)
    lines = [_OPENING, *_contents(index, parts), "", _LEGEND, "", index.legend()]
    for part, members in parts.items():
        lines += ["", f"## {part}"]
        for each in members:
            lines += ["", *_entry(index, each)]
    return "\n".join([*lines, "", *_types(index)]) + "\n"


def _parted(configurables: Sequence[Configurable]) -> dict[str, list[Configurable]]:
    """Returns part -> its configurables, by module, then in the order that leads to them."""
    found: dict[str, list[Configurable]] = {part: [] for part in PARTS}
    places = [module for modules in PARTS.values() for module in modules]
    owner = {module: part for part, modules in PARTS.items() for module in modules}
    for each in configurables:
        within = [place for place in places if f"{each.module}.".startswith(f"{place}.")]
        if not within:
            raise ValueError(f"{each.path} belongs to no part of the page: add {each.module}")
        found[owner[within[0]]].append(each)
    for members in found.values():
        members.sort(key=lambda each: _rank(each, places))
    return found


def _rank(each: Configurable, places: Sequence[str]) -> int:
    return next(i for i, place in enumerate(places) if f"{each.module}.".startswith(f"{place}."))


def _contents(index: Index, parts: Mapping[str, Sequence[Configurable]]) -> Iterator[str]:
    for part, members in parts.items():
        named = ", ".join(index.link(each.path, short=True) for each in members)
        yield f"- {link(part, anchor(part))}: {named}"
    yield f"- {link('Types', '#types')}"


def _entry(index: Index, each: Configurable) -> Iterator[str]:
    package, _, module = index.module(each.path).rpartition(".")
    yield from (f"### {code(index.title(each.path))}", "", f"{prose(each.summary)}", "")
    if each.details:
        yield from (paragraphs(each.details), "")
    if each.computes:
        yield from (f"{code(each.forward)}: {prose(each.computes)}", "")
    if each.arguments:
        rows = [_row(index, each, argument) for argument in each.arguments]
        yield from (*table(["argument", "type", "default", "meaning"], rows), "")
    for error, when in each.raises:
        yield f"- raises {code(error)}: {prose(when)}"
    yield f"- import: `from {package} import {module}`"
    places = [index.link(owner, f".{name}") for owner, name in index.places(each.path)]
    if places:
        yield f"- goes to: {', '.join(places)}"
    yield f"- source: {link(each.file, f'../{each.file}')}"
    users = [link(name, f"../gin/{name}") for name in index.users[each.path]]
    yield f"- shipped files: {', '.join(users) or 'none'}"


def _row(index: Index, owner: Configurable, argument: Argument) -> list[str]:
    given = [index.link(path) for path in index.given_to(argument) if path != owner.path]
    own = [f"your own {code(name.rpartition('.')[2])}" for name in index.open_bases(argument)]
    meaning = prose(argument.meaning)
    if given:
        takes = "Also takes" if index.named_types(argument) else "Takes"
        meaning += f" {takes} {' or '.join([', '.join(given), *own])}."
    default = code(argument.default) or "required"
    return [code(argument.name), code(argument.annotation), default, meaning]


def _types(index: Index) -> Iterator[str]:
    yield from ("## Types", "", "Names for types, in the tables above.", "")
    rows = [
        [code(path.rpartition(".")[2]), code(value), prose(" ".join(meaning.split()))]
        for path, (value, meaning) in index.types().items()
    ]
    yield from table(["name", "type", "meaning"], rows)
