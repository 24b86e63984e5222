"""One media file, by its header and one frame: how long it is, what it shows, whether it sounds."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import cast

from av import VideoStream

from mirasol.data.containers import MediaError, best_stream, errors_named, open_container
from mirasol.data.media import MediaFile
from mirasol.data.references import ClipReference


@dataclass(frozen=True)
class Probe:
    """What is known of a clip without decoding it.

    Attributes:
      media: path of its file.
      length_s: of the clip, s.
      size: of its pictures, "320x240", px; "" without pictures.
      sound: whether there is a track.
      error: why it cannot be used; "" where it can.
    """

    media: str
    length_s: float = 0.0
    size: str = ""
    sound: bool = False
    error: str = ""


def probe(clip: ClipReference) -> Probe:
    """Returns what header and first frame say; what is wrong with a file is told, never raised."""
    try:
        with MediaFile(clip.media) as media:
            start_s, end_s = media.span(clip.start_s, clip.end_s)
            sound = media.audio_end_s > 0
        return Probe(clip.media, end_s - start_s, _first_picture(clip.media), sound)
    except MediaError as error:
        return Probe(clip.media, error=error.reason)
    except Exception as error:  # A file may break its reader in ways that nobody has thought of.
        return Probe(clip.media, error=f"reading it raises {type(error).__name__}: {error}")


def _first_picture(path: str) -> str:
    """Returns the size of the first frame, "" without pictures; MediaError if it has none to show.

    Of the file's first, not the clip's: to go there would decode what lies before.
    """
    with errors_named(path), open_container(path) as container:
        stream = best_stream(container, "video")
        if stream is None:
            return ""
        for frame in itertools.islice(container.decode(cast(VideoStream, stream)), 1):
            return f"{frame.width}x{frame.height}"
    raise MediaError(path, "it holds no picture that could be decoded")
