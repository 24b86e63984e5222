"""The files of a checkpoint: their sizes, and a checksum of all that no chunk's checksum covers.

One file of the database, and which checksum covers what of it:

    | node |  chunk of w + its CRC-32C  | zarr.json | chunk of b + its CRC-32C | node |
    | rest |           chunks           |   rest    |          chunks          | rest |

Chunks are nearly all bytes, and are verified when they are read, in the one pass that reads them.
The rest (metadata, the index, what is no longer in use) has one SHA-256 a file, here. It is small,
so it is verified whenever the manifest is read. Together no byte is left out.
"""

from __future__ import annotations

import dataclasses
import errno
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence

from mirasol.checkpoint.places import Place

Span = tuple[int, int]  # From the first byte to behind the last.


@dataclasses.dataclass(frozen=True)
class FileEntry:
    """One file.

    Attributes:
      bytes: its size.
      chunks: spans of chunks, which carry checksums of their own: "120-4124 4600-4724".
      rest: SHA-256 of all other bytes, in their order.
    """

    bytes: int
    chunks: str
    rest: str

    @classmethod
    def of_size(cls, size: int) -> FileEntry:
        """Returns the entry of a file of which only the size is known."""
        return cls(size, f"0-{size}", _sha256([]))

    @property
    def spans(self) -> list[Span]:
        """The spans of chunks as numbers."""
        pairs = [span.split("-") for span in self.chunks.split()]
        return [(int(start), int(stop)) for start, stop in pairs]


def file_entries(folder: Place, chunks: Mapping[str, Iterable[Span]]) -> dict[str, FileEntry]:
    """Returns an entry for every file in a folder.

    Args:
      folder: of the checkpoint, without its manifest.
      chunks: spans of chunks in the files that hold any, by relative path.

    Raises:
      FileNotFoundError: a file that holds chunks is not there in full.
    """
    names = folder.files()
    entries = {}
    for name in sorted({*names, *chunks}):
        spans = _joined(chunks.get(name, ()))
        least = spans[-1][1] if spans else 0
        size = folder.size(name, least) if name in names else -1
        if size < least:
            raise FileNotFoundError(errno.ENOENT, "is cut or gone", f"{folder}/{name}")
        written = " ".join(f"{start}-{stop}" for start, stop in spans)
        entries[name] = FileEntry(size, written, _rest(folder, name, size, spans))
    return entries


def file_faults(folder: Place, files: Mapping[str, FileEntry]) -> Iterator[tuple[str, str]]:
    """Yields name and fault of each file that is not as it was written, as far as `rest` tells.

    Raises:
      PermissionError: whether a file is sound cannot be told.
    """
    for name, entry in files.items():
        if fault := _fault(folder, name, entry):
            yield name, fault


def _fault(folder: Place, name: str, entry: FileEntry) -> str:
    spans = entry.spans
    try:
        size = folder.size(name, spans[-1][1] if spans else 0)
        if size != entry.bytes:
            return f"has {size} bytes instead of {entry.bytes}"
        sound = _rest(folder, name, size, spans) == entry.rest
        return "" if sound else "does not match its checksum"
    except FileNotFoundError:
        return "is missing"
    except PermissionError:
        raise
    except OSError as error:
        return f"cannot be read: {error.strerror}"


def _joined(spans: Iterable[Span]) -> list[Span]:
    """Returns the spans in order, those that touch as one."""
    joined: list[Span] = []
    for start, stop in sorted(spans):
        if joined and joined[-1][1] == start:
            start = joined.pop()[0]
        joined.append((start, stop))
    return joined


def _rest(folder: Place, name: str, size: int, spans: Sequence[Span]) -> str:
    """Returns the SHA-256 of the bytes of a file outside of the spans."""
    starts = [0, *(stop for _, stop in spans)]
    stops = [*(start for start, _ in spans), size]
    gaps = [gap for gap in zip(starts, stops, strict=True) if gap[0] < gap[1]]
    return _sha256(folder.read(name, start, stop) for start, stop in gaps)


def _sha256(pieces: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
    return digest.hexdigest()
