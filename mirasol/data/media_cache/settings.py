"""Names under which a decoded clip is kept: of all that the result of decoding depends on.

    <folder>/<settings>/settings.json           sizes, sampling, spectrogram: a folder for each
                        <ab>/<abcd..>.npz       a clip: file with its size and time, start, end

Whatever changes, the name changes with it, so that nothing stale is ever found.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mirasol.data.media import MediaError
from mirasol.data.references import ClipReference
from mirasol.data.root import data_root

# Counts up when the same settings would give other pictures or sound, or another file.
EDITION = 2

Settings = Mapping[str, Any]
"""Everything but file and span that decoding depends on, as JSON takes it."""


def settings_name(settings: Settings) -> str:
    """Returns the name of the folder for clips decoded with these settings."""
    return _digest({"edition": EDITION, **settings})[:16]


def clip_name(reference: ClipReference) -> str:
    """Returns the name of a clip, of its file as that is now.

    The file counts as the same while path, size and time of change are: reading it whole would
    cost as much as decoding it. Paths below the data root count from there, so that both folders
    can move to another machine if times are kept.

    Raises:
      MediaError: no such file.
    """
    path = Path(reference.media)
    try:
        state = path.stat()
    except OSError as error:
        reason = "no such file" if isinstance(error, FileNotFoundError) else str(error.strerror)
        raise MediaError(reference.media, reason, reference.origin) from None
    root = data_root()
    name = path.relative_to(root) if path.is_relative_to(root) else path.absolute()
    # References come from readers in double precision, and from seqio in single.
    span = [
        None if time_s is None else float(np.float32(time_s))
        for time_s in (reference.start_s, reference.end_s)
    ]
    return _digest([name.as_posix(), state.st_size, state.st_mtime_ns, *span])


def differences(ours: Settings, theirs: Settings) -> list[str]:
    """Returns "NAME: ours, not theirs" for each setting that differs."""
    names = sorted(ours.keys() | theirs.keys())
    pairs = ((name, ours.get(name), theirs.get(name)) for name in names)
    return [f"{name}: {a}, not {b}" for name, a, b in pairs if a != b]


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:32]
