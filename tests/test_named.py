"""Texts that name something have a type that says so, so that `check` finds a slip in them."""

from __future__ import annotations

import importlib
import inspect
import typing

from mirasol import gin_syntax, named
from mirasol.data.loader import Stage
from mirasol.data.media_cache.cache import MediaCache
from mirasol.data.vocabulary import SentencePieceVocabulary
from mirasol.experiment import Experiment
from mirasol.gin_files import shipped_folder
from mirasol.lookups import LOOKUPS
from mirasol.models.beam import Beam
from mirasol.named import CacheFolder
from mirasol.sweeps.plan import Sweep
from mirasol.value_types import parameter_types

# Any text will do for these.
FREE = {
    "Experiment.name",
    "WeightsAndBiases.project",
    "WeightsAndBiases.entity",
}
MODULES = {
    item.module
    for path in shipped_folder().rglob("*.gin")
    for item in gin_syntax.read(path.read_text()).imports
    if item.module.startswith("mirasol.")
}


def classes_in(annotation) -> set[type]:
    """Returns our own classes in an annotation, such as `Sequence[Stage]`, and all below them."""
    if inspect.isclass(annotation) and annotation.__module__.startswith("mirasol."):
        below = (classes_in(each) for each in annotation.__subclasses__())
        return {annotation}.union(*below)
    return set().union(*map(classes_in, typing.get_args(annotation)))


def bindable(root: type = Experiment) -> set[type]:
    """Returns the classes of which an experiment, a sweep, or a part of one, may be made."""
    for module in MODULES:
        importlib.import_module(module)
    found: set[type] = set()
    new: set[type] = {root}
    while new:
        found |= new
        held = [parameter_types(each).values() for each in new]
        new = {each for types in held for one in types for each in classes_in(one)} - found
    return found


def plain_texts(annotation) -> bool:
    """Returns whether plain `str` is in an annotation, such as `Sequence[str]`."""
    if typing.get_origin(annotation) in (typing.Annotated, typing.Literal):
        return False
    return annotation is str or any(map(plain_texts, typing.get_args(annotation)))


def test_a_text_is_free_or_named():
    found = bindable()
    assert {Stage, MediaCache, SentencePieceVocabulary, Beam} <= found
    texts = {
        f"{each.__name__}.{parameter}"
        for each in found
        for parameter, annotation in parameter_types(each).items()
        if plain_texts(annotation)
    }
    assert texts == FREE


def test_the_folder_of_a_cache_is_said_to_be_filled(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "kept").mkdir()
    lookup = LOOKUPS[CacheFolder]
    said = lookup.absent("kepd")
    first = "there is no folder 'kepd'; did you mean 'kept'?; a cache is filled first"
    assert said.startswith(first)
    assert "tools/cache_media.py" in said
    assert lookup.is_there("kept")
    assert not lookup.is_there("kepd")


def test_every_name_is_the_type_of_a_parameter():
    every = bindable() | bindable(Sweep)
    types = [kind for each in every for kind in parameter_types(each).values()]
    used = [kind for each in types for kind in (each, *typing.get_args(each))]
    known = [kind for kind in vars(named).values() if typing.get_origin(kind) is typing.Annotated]
    assert known
    assert [kind for kind in known if kind not in used] == []
