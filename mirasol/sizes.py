"""Sizes that several parts of an experiment share, each of which is bound on its own."""

from __future__ import annotations

import collections
from collections.abc import Callable, Iterator
from typing import Any

from mirasol.batch import ExampleShape
from mirasol.bound import Bound
from mirasol.data.spectrogram import LogMel
from mirasol.findings import Finding
from mirasol.models.combiners import Combiner
from mirasol.models.decoder import TextDecoder
from mirasol.models.encoders import AudioEncoder, TubeVideoEncoder, VideoEncoder
from mirasol.models.latent import LatentModel
from mirasol.models.reconstruction import AudioReconstruction, VideoReconstruction
from mirasol.refusals import Refusal, refusal
from mirasol.wiring import Part, Wiring, parameters

_VIDEO = (VideoEncoder, TubeVideoEncoder)

# What it is -> the parameters that are it. A class stands for those derived from it, too.
SHARED: dict[str, tuple[tuple[Callable[..., Any], str], ...]] = {
    "the frames of a chunk": (
        (ExampleShape, "chunk_frames"),
        *((encoder, "chunk_frames") for encoder in _VIDEO),
        (VideoReconstruction, "chunk_frames"),
    ),
    "the side of a frame, px": (
        (ExampleShape, "image_size"),
        *((encoder, "image_size") for encoder in _VIDEO),
        (VideoReconstruction, "image_size"),
    ),
    "the spectrogram columns of a chunk": (
        (ExampleShape, "chunk_bands"),
        (AudioEncoder, "chunk_bands"),
        (AudioReconstruction, "chunk_bands"),
    ),
    "the mel bins": (
        (ExampleShape, "mel_bins"),
        (LogMel, "mel_bins"),
        (AudioEncoder, "mel_bins"),
        (AudioReconstruction, "mel_bins"),
    ),
    "the width of the tokens between the parts": (
        *((encoder, "out_width") for encoder in (*_VIDEO, AudioEncoder)),
        (Combiner, "width"),
        (LatentModel, "width"),
        (VideoReconstruction, "in_width"),
        (AudioReconstruction, "in_width"),
        (TextDecoder, "context_width"),
    ),
    "the tokens of a chunk after the Combiner": (
        (Combiner, "out_tokens"),
        (LatentModel, "tokens"),
    ),
}


# Class -> what must tile what of it.
TILES = (
    (VideoEncoder, "tubelet", ("chunk_frames", "image_size", "image_size")),
    (AudioEncoder, "patch", ("chunk_bands", "mel_bins")),
)


def misfits(wiring: Wiring, bound: Bound) -> Iterator[tuple[Part, Finding]]:
    """Yields each part with a size that differs from most that are the same, and a finding."""
    for what, shared in SHARED.items():
        found = list(_values(wiring, shared))
        if len({value for _, _, value in found}) < 2:
            continue
        (usual, _), *_ = collections.Counter(value for _, _, value in found).most_common(1)
        model, parameter, _ = next(each for each in found if each[2] == usual)
        place = bound.written(wiring, model, parameter)
        norm = f"{model.title}.{parameter} is {usual}{f' ({place})' if place else ''}"
        groups: dict[tuple[int, int], list[tuple[Part, str]]] = {}
        for part, name, value in found:
            if value != usual:
                source = bound.source(wiring, part, name) if name in part.origin else None
                groups.setdefault((id(source), value), []).append((part, name))
        for (_, value), group in groups.items():  # One macro of a wrong value is one mistake.
            titles = " and ".join(f"{part.title}.{name}" for part, name in group)
            finding = Finding(
                bound.written(wiring, *group[0]),
                f"{titles} {'is' if len(group) == 1 else 'are'} {value} and {norm}: these are "
                f"{what}, so bind them to one macro",
            )
            yield from ((part, finding) for part, _ in group)


def indivisible(wiring: Wiring, bound: Bound) -> Iterator[tuple[Part, Refusal]]:
    """Yields each part with a size that does not divide another of its own, and what it refuses.

    Its constructor would say so, too, but that stops at the first, and has to have all values.
    """
    for part in wiring.objects():
        values = {**parameters(part.reference.target), **wiring.values(part)}
        known = {name: wiring.expand(value) for name, value in values.items()}
        for said, names in _indivisible(part.reference.target, known):
            yield part, refusal(wiring, bound, part, said, names)


def _indivisible(
    target: Callable[..., Any], known: dict[str, Any]
) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yields what does not divide what, and which parameters are likeliest to be wrong."""
    width, heads = known.get("width", 0), known.get("heads", 0)
    # What somebody else wrote may mean something else by these names.
    ours = str(target.__module__).startswith("mirasol.")
    if ours and _are_sizes(width, heads) and width % heads:
        yield f"width {width} is not a multiple of {heads} heads", ("width", "heads")
    for owner, name, covered in TILES:
        if not _is_a(target, owner) or not isinstance(known.get(name), list | tuple):
            continue
        if known.get("stride") is not None:  # Patches that overlap, or lie apart, tile nothing.
            continue
        patch, extents = tuple(known[name]), tuple(known.get(each) for each in covered)
        fit = len(patch) == len(extents) and _are_sizes(*patch, *extents)
        if fit and any(extent % side for extent, side in zip(extents, patch, strict=True)):
            listed = " and ".join(dict.fromkeys(covered))
            yield (
                f"patches of {patch} do not tile an input of {extents}, {listed}; each size must "
                "divide its extent",
                (name,),
            )


def _are_sizes(*values: Any) -> bool:
    return all(type(value) is int and value > 0 for value in values)


def _values(
    wiring: Wiring, shared: tuple[tuple[Callable[..., Any], str], ...]
) -> Iterator[tuple[Part, str, int]]:
    """Yields part, parameter and number of each of those parameters that is in use."""
    for part in wiring.objects():
        for owner, name in shared:
            if not _is_a(part.reference.target, owner):
                continue
            values = {**parameters(part.reference.target), **wiring.values(part)}
            value = wiring.expand(values.get(name))
            if type(value) is int:
                yield part, name, value


def _is_a(target: Callable[..., Any], owner: Callable[..., Any]) -> bool:
    return isinstance(target, type) and isinstance(owner, type) and issubclass(target, owner)
