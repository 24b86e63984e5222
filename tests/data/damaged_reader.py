"""Reads files given as arguments and prints a JSON line each: a process that a test can watch."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np
from coded_media import numbers

from mirasol.data.media import MediaError, MediaFile


def outcome(path: str, seconds: float) -> dict:
    """Returns what reading all of a file's pictures and sound comes to."""
    times_s = (np.arange(16) + 0.5) * seconds / 16
    try:
        with MediaFile(path) as media:
            _, end_s = media.span(None, None)
            times_s = times_s[times_s < end_s]
            pictures = media.video(times_s, 48)
            sound = media.audio(0.0, seconds, 16_000)
    except MediaError as error:
        return {"reason": error.reason, "named": error.path == path}
    return {
        "shown": numbers(pictures),
        "times_s": times_s.tolist(),
        "black": int((pictures.mean(axis=(1, 2, 3)) < 16).sum()),
        "finite": bool(np.isfinite(sound).all()),
    }


if __name__ == "__main__":
    for path in sys.argv[2:]:
        begun_s, opened = time.process_time(), len(list(Path("/proc/self/fd").iterdir()))
        row = outcome(path, float(sys.argv[1]))
        row["leaked"] = len(list(Path("/proc/self/fd").iterdir())) - opened
        row["took_s"] = time.process_time() - begun_s
        print(json.dumps(row))
