"""Frames of a chunk and of a tubelet, and the side of the grid of patches."""

from __future__ import annotations

from typing import Any

from mirasol.checkpoint.conversion.request import Request


def frames_of(request: Request) -> tuple[int, int]:
    """Returns the frames of a tubelet and of a chunk, for a tower of pictures.

    Raises:
      ValueError: longer tubelets without a word on how, that word for tubelets of one frame, or a
        chunk that they do not tile.
    """
    tubelet_frames = request.tubelet_frames or 1
    if tubelet_frames > 1 and request.inflation is None:
        raise ValueError(
            f"--tubelet_frames is {tubelet_frames}: say by --inflation how kernels of pictures "
            "become so many frames long: 'average' or 'centre'"
        )
    if tubelet_frames == 1 and request.inflation is not None:
        raise ValueError(
            f"--inflation is {request.inflation!r} and has no effect on tubelets of one frame: "
            "give --tubelet_frames, too, or leave it out"
        )
    chunk_frames = request.chunk_frames or tubelet_frames
    require_multiple(chunk_frames, tubelet_frames)
    return tubelet_frames, chunk_frames


def require_multiple(chunk_frames: int, tubelet_frames: int) -> None:
    """Makes sure that tubelets tile a chunk.

    Raises:
      ValueError: they do not.
    """
    if chunk_frames % tubelet_frames:
        raise ValueError(
            f"--chunk_frames is {chunk_frames}, and a tubelet has {tubelet_frames} frames, which "
            "must divide it"
        )


def side_of(image_size: int, patch: int) -> int:
    """Returns how many patches lie along a side of our pictures.

    Raises:
      ValueError: they do not tile it; names the nearest sizes that they do.
    """
    if image_size % patch:
        below = image_size // patch * patch
        sizes = " or ".join(str(size) for size in (below, below + patch) if size)
        raise ValueError(
            f"pictures of {image_size} px are no multiple of patches of {patch} px; ours must "
            f"tile them: give --image_size={sizes}, say"
        )
    return image_size // patch


def macros(chunk_frames: int, image_size: int, tubelet: tuple[int, int, int]) -> dict[str, Any]:
    """Returns the macros of a chunk that is cut so."""
    return {"CHUNK_FRAMES": chunk_frames, "IMAGE_SIZE": image_size, "TUBELET": tubelet}
