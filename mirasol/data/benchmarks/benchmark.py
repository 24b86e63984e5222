"""What a public set is: its files, where they come from, and how they are read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from mirasol.data.benchmarks.problems import AnnotationError, Problems
from mirasol.data.benchmarks.rows import Row
from mirasol.data.root import data_root
from mirasol.spelling import nearest

REPORTED = "reported"
"""Name of the split that stands for the one on which a set's scores are reported."""

ReadRows = Callable[[Path, str, Problems], Iterator[Row]]


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """A public set: what lies where, and how it is read.

    Attributes:
      name: of the task; its folder is of that name under the data root.
      files: of each split, the annotation files that it needs, as patterns; alternatives are
        separated by "|".
      origin: the project that publishes the files.
      media: what the media files are called, for people.
      read: (folder, split, problems) -> rows.
      reported: the split on which scores are reported; "" for a set that is only trained on.
      grouped: whether all questions about one clip are gathered; else only those that follow one
        another, and the clips are read as they are needed, however long the file is.
      folder_name: where the set shares another's folder.
      locate: returns the set's folder, where that is not below the data root.
      classes: (folder) -> the names of the classes, of a set of classes.
    """

    name: str
    files: Mapping[str, tuple[str, ...]]
    origin: str
    media: str
    read: ReadRows
    reported: str = ""
    grouped: bool = True
    folder_name: str = ""
    locate: Callable[[], Path] | None = None
    classes: Callable[[Path], list[str]] | None = None

    @property
    def folder(self) -> Path:
        """Where the set lies: `MIRASOL_DATA/<name>`."""
        if self.locate is not None:
            return self.locate()
        return data_root() / (self.folder_name or self.name)

    @property
    def splits(self) -> tuple[str, ...]:
        """Names of the splits, with `reported` where there is one."""
        return (*self.files, *([REPORTED] if self.reported else []))

    def real_split(self, split: str) -> str:
        """Returns the split that a name stands for; ValueError names the nearest."""
        split = self.reported if split == REPORTED and self.reported else split
        if split not in self.files:
            raise ValueError(
                f"{self.name} has no split {split!r}{nearest(split, self.splits)} "
                f"(it has: {', '.join(self.splits)})"
            )
        return split

    def require_files(self, split: str) -> None:
        """Raises AnnotationError, in one line, if an annotation file of the split is not there."""
        for alternatives in self.files[split]:
            names = alternatives.split("|")
            if not any(next(self.folder.glob(name), None) for name in names):
                raise AnnotationError(
                    f"{self.name}, split {split!r}: no file {' or '.join(names)} in {self.folder} "
                    f"(MIRASOL_DATA/{self.folder.name}); it comes from {self.origin}; the media "
                    f"are {self.media}, there or in its folder videos"
                )
