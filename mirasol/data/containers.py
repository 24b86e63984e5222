"""Opens media files of this machine, and nothing that they or their names lead to.

Names come from annotations, and bytes from anywhere. FFmpeg would follow both: a name may be a
protocol (`concat:`, `http:`), a file may be a playlist of other files and addresses, whatever its
extension. So a name is only ever a path, and only formats that hold their media themselves are
opened. What a broken file makes FFmpeg or PyAV raise becomes a `MediaError`.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from typing import Literal

import av
from av.container import InputContainer
from av.stream import Disposition, Stream

FORMATS = ("mp4", "matroska", "avi", "mpegts", "mpeg", "flv", "asf", "ogg", "gif")
SOUND_FORMATS = ("wav", "mp3", "flac", "aac")
_ALLOWED = {
    "protocol_whitelist": "file",
    "format_whitelist": ",".join((*FORMATS, *SOUND_FORMATS)),
    "enable_drefs": "0",  # An mp4 may say that its frames lie in another file.
}
# Twice 8K. A broken header may ask for more memory than there is.
_MOST_PIXELS = 2**26
_DECODING = {"max_pixels": str(_MOST_PIXELS)}


# The last two come of PyAV, of streams that appear while it reads and numbers beyond 64 bits.
_BREAKAGE = (av.FFmpegError, OSError, ValueError, MemoryError, IndexError, OverflowError)


class MediaError(ValueError):
    """A media file that is missing, broken, or does not hold what an annotation asks of it.

    Attributes:
      path: the file.
      reason: what is wrong with it.
      origin: the annotation row that asked for it, "" if none did.
    """

    def __init__(self, path: str, reason: str, origin: str = "") -> None:
        super().__init__(path, reason, origin)
        self.path, self.reason, self.origin = path, reason, origin

    def __str__(self) -> str:
        asked = f" (asked for by {self.origin})" if self.origin else ""
        return f"{self.path}: {self.reason}{asked}"


def open_container(path: str) -> InputContainer:
    """Returns the open file.

    Raises:
      MediaError: it is missing, no regular file, empty, an address, of a format that is not in
        FORMATS or SOUND_FORMATS, or too broken to be opened.
    """
    if "://" in path:
        raise MediaError(
            path, "it is an address; only files of this machine are read: copy or mount the store"
        )
    with errors_named(path):
        status = os.stat(path)  # noqa: PTH116 (a path object costs more than the call)
        if not stat.S_ISREG(status.st_mode):
            raise MediaError(path, "it is no regular file")
        if not status.st_size:
            raise MediaError(path, "it is empty")
        try:
            # Behind "file:" no name is anything but a path.
            return av.open(
                f"file:{path}",
                container_options=_ALLOWED,
                options=_DECODING,
                metadata_errors="replace",  # Tags in other alphabets are no damage.
            )
        except av.error.ArgumentError:
            raise MediaError(
                path,
                "it is of no format that is read here "
                f"({', '.join(FORMATS)}; sound: {', '.join(SOUND_FORMATS)}); a still picture is no "
                "video, and a playlist or manifest is not followed",
            ) from None


def best_stream(container: InputContainer, kind: Literal["video", "audio"]) -> Stream | None:
    """Returns the stream that a player would show; None if there is none, or only a cover.

    Args:
      container: an open file.
      kind: of stream.
    """
    streams = [each for each in container.streams if each.type == kind]
    # FFmpeg finds none best where all are broken; then the first one's error is to be told.
    stream = container.streams.best(kind) or next(iter(streams), None)
    if stream is None or stream.disposition & Disposition.attached_pic:
        return None
    if stream.codec_context is not None:
        stream.codec_context.thread_count = 1  # The workers are the parallelism.
        stream.codec_context.options = _DECODING
    return stream


@contextlib.contextmanager
def errors_named(path: str) -> Iterator[None]:
    """Turns what FFmpeg, PyAV and the system raise about a file into MediaError."""
    try:
        yield
    except MediaError:
        raise
    except FileNotFoundError:
        raise MediaError(path, "no such file") from None
    except _BREAKAGE as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise MediaError(path, f"it cannot be decoded ({reason})") from None
