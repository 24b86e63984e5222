"""Where a converter gets a clip from: the media file, or a folder of clips that were decoded once.

Decoding     the media file, each time
MediaCache   <folder>/<settings>/<ab>/<abcd..>.npz      decoded
                                      <abcd..>.broken   cannot be: why
             or nothing: an error that says how to fill the folder, or the media file
"""

from __future__ import annotations

import abc
import json
from collections.abc import Callable
from pathlib import Path

from mirasol.data.media import MediaError
from mirasol.data.media_cache.entries import Clip, read_entry, write_entry, write_whole
from mirasol.data.media_cache.settings import Settings, clip_name, differences, settings_name
from mirasol.data.references import ClipReference
from mirasol.named import CacheFolder

FILL = "python tools/cache_media.py --gin_file=..."

_SETTINGS = "settings.json"


class MissingEntryError(ValueError):
    """A clip is not in the cache, and decoding it instead was not asked for."""


class ClipSource(abc.ABC):
    """Where clips come from."""

    @abc.abstractmethod
    def clip(
        self,
        reference: ClipReference,
        settings: Settings,
        empty: Callable[[], Clip],
        decode: Callable[[ClipReference], Clip],
    ) -> Clip:
        """Returns a clip.

        Args:
          reference: which.
          settings: all that `decode` depends on, but the reference.
          empty: returns an absent clip of the right sizes.
          decode: decodes the media file.

        Raises:
          MediaError: the media file is missing or broken.
        """


class Decoding(ClipSource):
    """The media file, each time."""

    def clip(
        self,
        reference: ClipReference,
        settings: Settings,
        empty: Callable[[], Clip],
        decode: Callable[[ClipReference], Clip],
    ) -> Clip:
        """Decodes it."""
        return decode(reference)


DECODING = Decoding()


class MediaCache(ClipSource):
    """A folder of decoded clips, filled by `tools/cache_media.py` (docs/media_cache.md).

    Args:
      folder: which; made when it is filled, and looked for by `check` and `train`.
      decode_missing: what is not in it is decoded from the media file, each time; else it is an
        error, since training would go on at a fraction of its speed and nobody would know why.
    """

    def __init__(self, folder: CacheFolder, decode_missing: bool = False) -> None:
        self.folder = Path(folder).expanduser().absolute()
        self.decode_missing = decode_missing

    def clip(
        self,
        reference: ClipReference,
        settings: Settings,
        empty: Callable[[], Clip],
        decode: Callable[[ClipReference], Clip],
    ) -> Clip:
        """Returns the clip that is kept.

        Raises:
          MediaError: its file is missing, or was found broken when the folder was filled.
          MissingEntryError: it is not kept.
          DamagedEntryError: what is kept is not what was written.
        """
        path = self._path(reference, settings)
        try:
            return read_entry(path, empty())
        except FileNotFoundError:
            pass
        self._raise_broken(path, reference)
        if self.decode_missing:
            return decode(reference)
        raise MissingEntryError(
            f"{reference.media} is not in the cache {self.folder}{self._why(settings)}; fill it "
            f"with the gin files of this run: {FILL} (or set MediaCache.decode_missing = True)"
        )

    def holds(self, reference: ClipReference, settings: Settings) -> bool:
        """Says whether the clip is kept."""
        try:
            return self._path(reference, settings).is_file()
        except MediaError:  # No file.
            return False

    def settled(self, reference: ClipReference, settings: Settings) -> bool:
        """Says whether the clip is kept, or known to be broken."""
        return self.holds(reference, settings) or bool(self.broken(reference, settings))

    def broken(self, reference: ClipReference, settings: Settings) -> str:
        """Returns why the clip's file could not be decoded when that was tried; "" if it was not.

        A file that is not there is one that could not be decoded.
        """
        try:
            self._raise_broken(self._path(reference, settings), reference)
        except MediaError as error:
            return error.reason
        return ""

    def fill(
        self, reference: ClipReference, settings: Settings, decode: Callable[[ClipReference], Clip]
    ) -> None:
        """Decodes a clip and keeps it; if it cannot be decoded, keeps why."""
        try:
            path = self._path(reference, settings)
        except MediaError:
            return  # No file, no name: looked for anew each time.
        record = path.with_suffix(".broken")
        try:
            clip = decode(reference)
        except MediaError as error:
            said = {"media": reference.media, "reason": error.reason, "origin": reference.origin}
            write_whole(record, lambda file: file.write(json.dumps(said).encode("utf-8")))
            return
        write_entry(path, clip)
        record.unlink(missing_ok=True)

    def note(self, settings: Settings) -> Path:
        """Writes down what the settings are, and returns the folder for their clips."""
        folder = self.folder / settings_name(settings)
        folder.mkdir(parents=True, exist_ok=True)
        said = json.dumps(settings, indent=2) + "\n"
        write_whole(folder / _SETTINGS, lambda file: file.write(said.encode("utf-8")))
        return folder

    def _path(self, reference: ClipReference, settings: Settings) -> Path:
        name = clip_name(reference)
        return self.folder / settings_name(settings) / name[:2] / f"{name}.npz"

    def _raise_broken(self, path: Path, reference: ClipReference) -> None:
        try:
            said = json.loads(path.with_suffix(".broken").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return
        raise MediaError(reference.media, said["reason"], reference.origin)

    def _why(self, settings: Settings) -> str:
        """Returns what may be the reason that a clip is not kept."""
        kept = [json.loads(path.read_text()) for path in self.folder.glob(f"*/{_SETTINGS}")]
        if not kept:
            return ", which holds nothing"
        if settings in kept:
            return " (new, or its file has changed since)"
        nearest = min((differences(settings, other) for other in kept), key=len)
        return f", which holds clips of other settings ({'; '.join(nearest)})"
