"""A look at files that ends its process at some of them, as a crash in a decoder does."""

from __future__ import annotations

import os

from mirasol.data.checking.probe import Probe
from mirasol.data.references import ClipReference


def look(clip: ClipReference) -> Probe:
    if "fatal" in clip.media:
        os._exit(139)
    return Probe(clip.media, 1.0)
