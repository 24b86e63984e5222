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
    found = {"pictures": has_pictures, "sound": has_sound}
    used = [kind for kind in wanted if wanted[kind] and found[kind]]
    missing = [kind for kind in wanted if wanted[kind] and not found[kind]]
    rest = f"the {used[0]}" if used else "the question"
    lines = [f"no {kind} in {video}: answered from {rest} alone" for kind in missing]
    first_s, window_s = converter.window(0.0, end_s)
    if used and end_s - window_s > window_s / converter.shape.frames:
        last_s = first_s + window_s
        part = f"{first_s:.4g} s to {last_s:.4g} s" if first_s else f"the first {window_s:.4g} s"
        lines.append(f"answered from {part} of {end_s:.4g} s")
    unknown = converter.vocabulary.unknown_words(question)
    if unknown:
        lines.append(f"the vocabulary does not know {', '.join(map(repr, unknown))}")
    return lines
