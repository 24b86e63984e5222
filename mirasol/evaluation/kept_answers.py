"""What an evaluation keeps until its end, when metrics want all of it together.

Rows and texts are in files: a split may have any number of them, and a model needs the memory.
"""

from __future__ import annotations

import json
import os
from array import array
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any, overload

import numpy as np

from mirasol.evaluation.class_scores import ClassScores
from mirasol.evaluation.predictions import Prediction


class Spool(Sequence[Any], AbstractContextManager):
    """JSON values in the order in which they were appended; in memory each takes eight bytes.

    A process that is sent a spool reads the same file, as long as it is there.

    Args:
      path: of the file. It is made anew, and removed when the block ends.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._ends = array("q", [0])
        self._file = path.open("w+b")

    def append(self, value: Any) -> None:
        """Adds a value at the end."""
        written = self._file.write(json.dumps(value).encode())
        self._ends.append(self._ends[-1] + written)

    def __len__(self) -> int:
        return len(self._ends) - 1

    @overload
    def __getitem__(self, place: int) -> Any: ...
    @overload
    def __getitem__(self, place: slice) -> list[Any]: ...
    def __getitem__(self, place: int | slice) -> Any:
        if isinstance(place, slice):
            return [self[index] for index in range(*place.indices(len(self)))]
        place = range(len(self))[place]
        self._file.flush()
        length = self._ends[place + 1] - self._ends[place]
        return json.loads(os.pread(self._file.fileno(), length, self._ends[place]))

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._path.unlink(missing_ok=True)

    def __getstate__(self) -> dict[str, Any]:
        self._file.flush()
        return {"_path": self._path, "_ends": self._ends}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _file=state["_path"].open("rb"))


class KeptAnswers(AbstractContextManager):
    """The answers of an evaluation, as its metrics and its submission file take them.

    Args:
      folder: for its files, which are gone when the block ends.
      classes: what the scores of every prediction are of; None if of nothing in common.

    Attributes:
      rows: annotation row of each question.
      texts: answer to each.
    """

    def __init__(self, folder: Path, classes: Sequence[str] | None) -> None:
        with ExitStack() as stack:
            self.rows = stack.enter_context(Spool(folder / "rows"))
            self.texts = stack.enter_context(Spool(folder / "texts"))
            self._files = stack.pop_all()
        self._classes = classes
        self._scores: list[np.ndarray] = []

    def add(self, prediction: Prediction) -> None:
        """Keeps an answer."""
        self.rows.append(prediction.question.row)
        self.texts.append(prediction.text)
        if self._classes is not None and prediction.scores is not None:
            self._scores.append(np.array(prediction.scores, np.float32))

    @property
    def class_scores(self) -> ClassScores | None:
        """The scores of all classes, where they were computed."""
        if not self._classes or not self._scores:
            return None
        return ClassScores(self._classes, np.stack(self._scores))

    def given(self) -> tuple[Any, ...]:
        """Returns what a task's metrics are given: rows, texts and, if there are, class scores."""
        scores = self.class_scores
        return (self.rows, self.texts) if scores is None else (self.rows, self.texts, scores)

    def __exit__(self, *_: object) -> None:
        self._files.close()
