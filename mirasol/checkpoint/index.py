"""Where in the files of an OCDBT database the chunks of arrays lie.

The database is a tree whose leaves hold, by key, small values themselves and the places of others:

    manifest.ocdbt -> root -> ... -> leaf   model.w/zarr.json -> d/0f3a, 137 bytes from 2004
                                            model.w/c/0       -> d/0f3a, 2004 bytes from 0
                                            model.scale/c     =  b"..."
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterator

import tensorstore as ts

_METADATA = b"zarr.json"


@dataclasses.dataclass(frozen=True)
class Span:
    """Where the bytes of a chunk lie.

    Attributes:
      file: path relative to the database.
      start, stop: of the first byte, and behind the last.
    """

    file: str
    start: int
    stop: int


@dataclasses.dataclass(frozen=True)
class Index:
    """Where chunks lie.

    Attributes:
      spans: in each file, by path relative to the database: (first byte, behind the last), of all
        chunks that are not in the tree itself.
      bytes: of the chunks of each array, their checksums included.
      single: of each array that is one chunk, where it lies; without those in the tree itself.
    """

    spans: dict[str, list[tuple[int, int]]]
    bytes: dict[str, int]
    single: dict[str, Span]


def index(base: ts.KvStore) -> Index:
    """Returns the index of the newest version of the database in `base`, read from there anew.

    Raises:
      ValueError: the database is damaged.
    """
    context = ts.Context()
    spans = defaultdict(list)
    sizes: dict[str, int] = defaultdict(int)
    places: dict[str, list[Span | None]] = defaultdict(list)
    for key, entry in _leaves(base, context):
        name, _, last = key.partition(b"/")
        if last == _METADATA:
            continue
        inside = entry.get("inline_value")
        if inside is not None:
            places[name.decode()].append(None)
            sizes[name.decode()] += len(inside)
            continue
        span = _span(entry["indirect_value"])
        places[name.decode()].append(span)
        spans[span.file].append((span.start, span.stop))
        sizes[name.decode()] += span.stop - span.start
    single = {name: only[0] for name, only in places.items() if len(only) == 1 and only[0]}
    return Index(dict(spans), dict(sizes), single)


def _span(told: str) -> Span:
    _, _, file, offset, length = told.split(":")
    return Span(file, int(offset), int(offset) + int(length))


def _leaves(base: ts.KvStore, context: ts.Context) -> Iterator[tuple[bytes, dict]]:
    """Yields every key with what the tree holds of it."""
    root = ts.ocdbt.dump(base, context=context).result()["versions"][-1]["root"]
    waiting = [(b"", root["location"])] if "location" in root else []
    while waiting:
        prefix, location = waiting.pop()
        node = ts.ocdbt.dump(base, location, context=context).result()
        for entry in node["entries"]:
            if node["height"]:
                waiting.append((prefix + entry["subtree_common_prefix"], entry["location"]))
            else:
                yield prefix + entry["key"], entry
