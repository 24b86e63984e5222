"""One decoded clip as a file: pictures compressed, sound and marks as they are.

An .npz with
    packets, sizes         uint8 [bytes], int32 [frames]: the pictures (codec.py)
    audio_TAS              float32, of the chunks that have sound
    has_video_T, has_audio_T   bool
Of chunks that are absent nothing is kept: they are zeros.
"""

from __future__ import annotations

import os
import secrets
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import av
import numpy as np

from mirasol.data.media_cache import codec

Clip = dict[str, np.ndarray]
"""video_TFHWC, audio_TAS, has_video_T and has_audio_T of a clip: an example without questions."""

_TEMPORARY = ".tmp"


class DamagedEntryError(ValueError):
    """A file of the cache that is not what was written."""


def write_entry(path: Path, clip: Clip) -> None:
    """Writes a clip.

    Args:
      path: of the entry.
      clip: video_TFHWC, audio_TAS, has_video_T, has_audio_T, as a converter decodes them.
    """
    seen, heard = clip["has_video_T"], clip["has_audio_T"]
    frames_NHWC = clip["video_TFHWC"][seen].reshape(-1, *clip["video_TFHWC"].shape[2:])
    packets = codec.encode(frames_NHWC)
    arrays: dict[str, Any] = {
        "packets": np.frombuffer(b"".join(packets), np.uint8),
        "sizes": np.array([len(packet) for packet in packets], np.int32),
        "audio_TAS": clip["audio_TAS"][heard],
        "has_video_T": seen,
        "has_audio_T": heard,
    }
    write_whole(path, lambda file: np.savez(file, **arrays))


def write_whole(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Writes a file, whole or not at all: beside its place, renamed when it is complete."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(f".{secrets.token_hex(4)}{_TEMPORARY}")
    try:
        with draft.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())  # Or a crash could leave the name without the bytes.
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def read_entry(path: Path, empty: Clip) -> Clip:
    """Returns the clip in an entry.

    Args:
      path: of the entry.
      empty: a clip of the right sizes, all of it absent; filled and returned.

    Raises:
      FileNotFoundError: there is none.
      DamagedEntryError: it is not what was written.
    """
    try:
        return _filled(path, empty)
    except (zipfile.BadZipFile, KeyError, EOFError, ValueError, av.FFmpegError) as error:
        raise DamagedEntryError(
            f"{path} is damaged ({type(error).__name__}: {error}); remove it and fill the cache "
            "again"
        ) from None


def _filled(path: Path, empty: Clip) -> Clip:
    with path.open("rb") as file, np.load(file) as arrays:
        seen, heard = arrays["has_video_T"], arrays["has_audio_T"]
        packets, sizes = arrays["packets"].tobytes(), arrays["sizes"]
        audio_TAS = arrays["audio_TAS"]
    ends = np.cumsum(sizes)
    parts = [packets[end - size : end] for end, size in zip(ends, sizes, strict=True)]
    empty["has_video_T"][:], empty["has_audio_T"][:] = seen, heard
    empty["audio_TAS"][heard] = audio_TAS
    chunks = [chunk for chunk, is_there in zip(empty["video_TFHWC"], seen, strict=True) if is_there]
    codec.decode(parts, [picture for chunk in chunks for picture in chunk])
    return empty


def remove_drafts(folder: Path, older_than: float) -> None:
    """Removes what interrupted writers left, if it was last written before a moment, s of epoch."""
    for draft in folder.rglob(f"*{_TEMPORARY}"):
        if draft.stat().st_mtime < older_than:
            draft.unlink(missing_ok=True)
