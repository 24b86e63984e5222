"""What a person should know about an answer: the parts of file and question that it is not from."""

from __future__ import annotations

from pathlib import Path

from mirasol.data.converter import Converter
from mirasol.data.media import MediaFile


def remarks(converter: Converter, video: Path, question: str) -> list[str]:
    """Returns lines about one answer, none where the model was given all there is.

    Args:
      converter: that made the batch.
      video: the whole of this file was asked about.
      question: what was asked.

    Raises:
      MediaError: the file is missing or broken.
    """
    with MediaFile(str(video)) as media:
        _, end_s = media.span(None, None)
        has_pictures, has_sound = media.video_end_s > 0, media.audio_end_s > 0
    wanted = {"pictures": converter.video, "sound": converter.audio}
    there = {"pictures": has_pictures, "sound": has_sound}
    used = [f"the {kind}" for kind in wanted if wanted[kind] and there[kind]]
    lines = [
        f"no {kind} in {video}: answered from {''.join(used) or 'the question'} alone"
        for kind in wanted
        if wanted[kind] and not there[kind]
    ]
    window_s = converter.window_s
    if used and window_s is not None and end_s - window_s > window_s / converter.shape.frames:
        lines.append(f"answered from the first {window_s:.4g} s of {end_s:.4g} s")
    unknown = converter.vocabulary.unknown_words(question)
    if unknown:
        lines.append(f"the vocabulary does not know {', '.join(map(repr, unknown))}")
    return lines
