"""Sizes that several parts of an experiment share, each of which is bound on its own."""

from __future__ import annotations

import collections
from collections.abc import Callable, Iterator
from typing import Any

from mirasol.batch import ExampleShape
from mirasol.data.spectrogram import LogMel
from mirasol.findings import Finding
from mirasol.models.combiners import Combiner
from mirasol.models.decoder import TextDecoder
from mirasol.models.encoders import AudioEncoder, TubeVideoEncoder, VideoEncoder
from mirasol.models.latent import LatentModel
from mirasol.models.reconstruction import AudioReconstruction, VideoReconstruction
from mirasol.names import Bound
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


def misfits(wiring: Wiring, bound: Bound) -> Iterator[tuple[Part, Finding]]:
    """Yields each part with a size that differs from most that are the same, and a finding."""
    for what, shared in SHARED.items():
        found = list(_values(wiring, shared))
        if len({value for _, _, value in found}) < 2:
            continue
        (usual, _), *_ = collections.Counter(value for _, _, value in found).most_common(1)
        model, parameter, _ = next(each for each in found if each[2] == usual)
        place = bound.written(wiring, model, parameter)
        where = f" ({place})" if place else ""
        for part, name, value in found:
            if value != usual:
                yield (
                    part,
                    Finding(
                        bound.written(wiring, part, name),
                        f"{part.title}.{name} is {value} and {model.title}.{parameter} is {usual}"
                        f"{where}: both are {what}, so bind both to one macro",
                    ),
                )


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
