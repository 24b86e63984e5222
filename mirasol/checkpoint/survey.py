"""What lies in a folder of checkpoints, sound or not; reads no tensor, imports nothing heavy."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

from mirasol.checkpoint.draft import writer_told
from mirasol.checkpoint.errors import CheckpointError
from mirasol.checkpoint.files import file_faults, file_sizes
from mirasol.checkpoint.manifest import FILE_NAME, read_contents
from mirasol.spelling import closest, hint

COMPLETE, DAMAGED, INCOMPLETE = "complete", "damaged", "incomplete"
_NAME = re.compile(r"step_(?P<step>\d{8,})(?:\.(?P<mark>incomplete|damaged)-.*)?")


@dataclasses.dataclass(frozen=True)
class Found:
    """One folder that is a checkpoint, was one, or is to become one.

    Attributes:
      folder: of it.
      step: that its name states.
      saved: when, in UTC, ISO 8601; "" where it is not known.
      bytes: of all its files.
      condition: COMPLETE, DAMAGED or INCOMPLETE. Chunks of arrays are not read for it.
      reason: why it is not complete, "" if it is.
    """

    folder: Path
    step: int
    saved: str
    bytes: int
    condition: str
    reason: str


def survey(place: Path, step: int | None = None) -> list[Found]:
    """Returns what is found in a place, by step; only folders of `step`, if one is given.

    Raises:
      ValueError: there is nothing; names the nearest place or step that has checkpoints.
    """
    folders = _folders(place)
    if step is not None:
        _require(step, place, [_step(folder) for folder in folders])
    return [_found(folder) for folder in folders if step in (None, _step(folder))]


def all_steps(place: Path, step: int | None = None) -> list[Path]:
    """Returns the checkpoints of a place that bear a step's name, oldest first; or that of `step`.

    Args:
      place: a workdir, a folder of checkpoints, or one checkpoint.
      step: the only one that is wanted.

    Raises:
      ValueError: there are none, or not this one; names the nearest.
    """
    folders = _folders(place)
    if _is_checkpoint(place):
        if step is not None:
            raise ValueError(f"{place} is one checkpoint: leave out --step={step}")
        return folders
    named = {_step(folder): folder for folder in folders if "." not in folder.name}
    if step is None:
        return [*named.values()]
    _require(step, place, list(named))
    return [named[step]]


def newest(place: Path, step: int | None = None) -> tuple[Path, list[Found]]:
    """Returns the newest complete checkpoint of a place, and newer ones that are passed over.

    A step that is asked for, or a place that is a checkpoint, is returned whatever its condition.

    Raises:
      ValueError: as `all_steps`; or none is complete.
    """
    folders = all_steps(place, step)
    if step is not None or _is_checkpoint(place):
        return folders[0], []
    passed: list[Found] = []
    for folder in reversed(folders):
        found = _found(folder)
        if found.condition == COMPLETE:
            return folder, passed
        passed.append(found)
    raise ValueError(f"no complete checkpoint in {place}; see: checkpoint ls {place}")


def _require(step: int, place: Path, steps: list[int]) -> None:
    if step not in steps:
        there = sorted(set(steps))
        near = min(there, key=lambda other: abs(other - step), default=None)
        offered = "" if near is None else f"; the nearest is --step={near}"
        raise ValueError(f"no checkpoint of step {step} in {place}, which has {there}{offered}")


def _is_checkpoint(place: Path) -> bool:
    return _NAME.fullmatch(place.name) is not None or (place / FILE_NAME).is_file()


def _folders(place: Path) -> list[Path]:
    """Returns the folders named like checkpoints, by step; ValueError if there are none."""
    if not place.is_dir():
        near = closest(place.name, [other.name for other in _beside(place)])
        raise ValueError(f"{place} is not there{_offered(place, near)}")
    if _is_checkpoint(place):
        return [place]
    found = _inside(place)
    if not found:
        others = [other.name for other in _beside(place) if other != place and _inside(other)]
        near = closest(place.name, others) or next(iter(sorted(others)), "")
        raise ValueError(
            f"{place} holds no checkpoints: they are folders step_00000500, in it or in its "
            f"checkpoints/{_offered(place, near)}"
        )
    return found


def _inside(place: Path) -> list[Path]:
    home = place / "checkpoints" if (place / "checkpoints").is_dir() else place
    found = [path for path in home.iterdir() if _NAME.fullmatch(path.name) and path.is_dir()]
    return sorted(found, key=lambda path: (_step(path), path.name))


def _beside(place: Path) -> list[Path]:
    parent = place.absolute().parent
    return [path for path in parent.iterdir() if path.is_dir()] if parent.is_dir() else []


def _offered(place: Path, name: str) -> str:
    return hint(str(place.with_name(name))) if name else ""


def _step(folder: Path) -> int:
    named = _NAME.fullmatch(folder.name)
    return int(named["step"]) if named else -1


def _found(folder: Path) -> Found:
    saved, condition, reason = _condition(folder)
    return Found(folder, _step(folder), saved, _bytes(folder), condition, reason)


def _condition(folder: Path) -> tuple[str, str, str]:
    """Returns when it was saved, its condition and the reason."""
    named = _NAME.fullmatch(folder.name)
    if named and named["mark"] == INCOMPLETE:
        return "", INCOMPLETE, writer_told(folder)
    if not (folder / FILE_NAME).exists():
        return "", INCOMPLETE, f"no {FILE_NAME}"
    try:
        manifest = read_contents(folder)
        fault = " ".join(next(file_faults(folder, manifest.files), ()))
    except (CheckpointError, OSError) as error:
        return "", DAMAGED, str(error)
    if not fault and named and named["mark"] == DAMAGED:
        fault = "set aside as damaged when its step was saved again"
    return manifest.saved, DAMAGED if fault else COMPLETE, fault


def _bytes(folder: Path) -> int:
    try:
        return sum(file_sizes(folder).values())
    except OSError:  # It was removed, or got its name, just now.
        return 0
