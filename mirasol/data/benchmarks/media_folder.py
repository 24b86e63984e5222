"""A folder of media, searched by name; nothing outside of it can be named.

Annotations are files that somebody else wrote. A name in them is looked up below the folder and
nowhere else: `../x.mp4`, `/x.mp4`, `http://x` and `concat:a|b` are refused, and so is a link that
leads out of the folder. The folder itself may be a link, since its owner made it.
"""

from __future__ import annotations

import functools
import os
import re
from pathlib import Path, PurePosixPath

# What FFmpeg would take for a protocol, options of its own included ("subfile,,start,0,:x"); a name
# of web video, "<id>_00:00:02.500_...", has a "_" before its colon.
_PROTOCOL = re.compile(r"[A-Za-z0-9+.,|-]*:")
EXTENSIONS = (".mp4", ".mkv", ".webm", ".avi")


class RefusedNameError(ValueError):
    """A name that leads out of the folder, or is no file name at all."""


class MediaFolder:
    """Media files below a folder.

    Args:
      folder: of the set; if it has a folder `videos`, that one.
    """

    def __init__(self, folder: Path) -> None:
        videos = folder / "videos"
        self.root = (videos if videos.is_dir() else folder).absolute()
        self._real_root = os.path.realpath(self.root)
        self._found: dict[str, str | None] = {}

    def find(self, name: str) -> str | None:
        """Returns the absolute path of a media file, or None.

        The very name first; then, anywhere below the folder, the same name with any of EXTENSIONS,
        in small or capital letters.

        Args:
          name: such as "P01/videos/P01_11.MP4", from the folder.

        Raises:
          RefusedNameError: the name leads out of the folder.
        """
        if name not in self._found:
            self._found[name] = self._find(name)
        return self._found[name]

    def _find(self, name: str) -> str | None:
        refuse(name)
        path = os.path.join(self.root, name)  # noqa: PTH118 (a third of the time, for each row)
        if os.path.isfile(path):  # noqa: PTH113
            return self._inside(path, name)
        same = self._by_stem.get(PurePosixPath(name).stem)
        return self._inside(same, name) if same else None

    def _inside(self, path: str, name: str) -> str:
        real = os.path.realpath(path)
        if os.path.commonpath([real, self._real_root]) != self._real_root:
            raise RefusedNameError(f"{name!r} is a link that leads out of {self.root}, to {real}")
        return path

    @functools.cached_property
    def _by_stem(self) -> dict[str, str]:
        """Path of each stem's file, read from the folder once; of several, the first extension."""
        best: dict[str, tuple[int, str]] = {}
        for folder, _, names in os.walk(self.root):
            for name in names:
                stem, extension = os.path.splitext(name)  # noqa: PTH122
                if extension.lower() in EXTENSIONS:
                    path = os.path.join(folder, name)  # noqa: PTH118
                    place = (EXTENSIONS.index(extension.lower()), path)
                    best[stem] = min(place, best.get(stem, place))
        return {stem: path for stem, (_, path) in best.items()}


def refuse(name: str) -> None:
    """Raises RefusedNameError if the name is absolute, climbs, or names a protocol."""
    parts = name.replace("\\", "/").split("/")
    if not name or "\0" in name:
        reason = "it is no file name"
    elif name.startswith(("/", "\\", "~")):
        reason = "it is absolute"
    elif ".." in parts:
        reason = "it climbs out of a folder"
    elif _PROTOCOL.match(name):
        reason = "what stands before ':' would be a protocol, and only files of the folder are read"
    else:
        return
    raise RefusedNameError(f"media name {name!r:.200} is refused: {reason}")
