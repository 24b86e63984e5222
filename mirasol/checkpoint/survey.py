"""What lies in a folder of checkpoints, sound or not; reads no tensor, imports nothing heavy."""

from __future__ import annotations

import dataclasses

from mirasol.checkpoint.conditions import (
    COMPLETE,
    DAMAGED,
    INCOMPLETE,
    Condition,
    FolderName,
    condition,
)
from mirasol.checkpoint.draft import writer_told
from mirasol.checkpoint.manifest import FILE_NAME
from mirasol.checkpoint.places import Place
from mirasol.spelling import closest, hint

FLAG = "--step="  # How the commands are asked for a step.


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

    folder: Place
    step: int
    saved: str
    bytes: int
    condition: str
    reason: str


def survey(place: Place, step: int | None = None) -> list[Found]:
    """Returns what is found in a place, by step; only folders of `step`, if one is given.

    Raises:
      ValueError: there is nothing; names the nearest place or step that has checkpoints.
    """
    folders = _folders(place)
    if step is not None:
        _require(step, place, [_step(folder) for folder in folders])
    return [_found(folder) for folder in folders if step in (None, _step(folder))]


def all_steps(place: Place, step: int | None = None, said: str = FLAG) -> list[Place]:
    """Returns the checkpoints of a place that bear a step's name, oldest first; or that of `step`.

    Args:
      place: a workdir, a folder of checkpoints, or one checkpoint.
      step: the only one that is wanted.
      said: how it was asked for, for errors.

    Raises:
      ValueError: there are none, or not this one; names the nearest.
    """
    folders = _folders(place)
    if _is_checkpoint(place):
        if step is not None:
            raise ValueError(f"{place} is one checkpoint: leave out {said}{step}")
        return folders
    named = {_step(folder): folder for folder in folders if "." not in folder.name}
    if step is None:
        return [*named.values()]
    _require(step, place, list(named), said)
    return [named[step]]


def newest(place: Place, step: int | None = None, said: str = FLAG) -> tuple[Place, list[Found]]:
    """Returns the newest complete checkpoint of a place, and newer ones that are passed over.

    A step that is asked for, or a place that is a checkpoint, is returned whatever its condition.
    Arguments as above.

    Raises:
      ValueError: as `all_steps`; or none is complete.
    """
    folders = all_steps(place, step, said)
    if step is not None or _is_checkpoint(place):
        return folders[0], []
    passed: list[Found] = []
    for folder in reversed(folders):
        found = _found(folder)
        if found.condition == COMPLETE:
            return folder, passed
        passed.append(found)
    raise ValueError(f"no complete checkpoint in {place}; see: checkpoint ls {place}")


def holds_checkpoints(place: Place) -> bool:
    """Returns whether a place is a checkpoint or has any, sound or not."""
    return _is_checkpoint(place) or bool(_inside(place))


def _require(step: int, place: Place, steps: list[int], said: str = FLAG) -> None:
    if step not in steps:
        there = sorted(set(steps))
        near = min(there, key=lambda other: abs(other - step), default=None)
        offered = "" if near is None else f"; the nearest is {said}{near}"
        raise ValueError(f"no checkpoint of step {step} in {place}, which has {there}{offered}")


def _is_checkpoint(place: Place) -> bool:
    return FolderName.read(place.name) is not None or place.has(FILE_NAME)


def _folders(place: Place) -> list[Place]:
    """Returns the folders named like checkpoints, by step; ValueError if there are none."""
    if not place.exists():
        near = closest(place.name, [other.name for other in place.beside()])
        raise ValueError(f"{place} is not there{_offered(place, near)}")
    if _is_checkpoint(place):
        return [place]
    found = _inside(place)
    if not found:
        others = [other.name for other in place.beside() if _inside(other)]
        near = closest(place.name, others) or next(iter(sorted(others)), "")
        raise ValueError(
            f"{place} holds no checkpoints: they are folders step_00000500, in it or in its "
            f"checkpoints/{_offered(place, near)}"
        )
    return found


def _inside(place: Place) -> list[Place]:
    home = place / "checkpoints" if "checkpoints" in place.folders() else place
    found = [home / name for name in home.folders() if FolderName.read(name)]
    return sorted(found, key=lambda folder: (_step(folder), folder.name))


def _offered(place: Place, name: str) -> str:
    there = [str(other) for other in place.beside() if other.name == name]
    return hint(there[0]) if there else ""


def _step(folder: Place) -> int:
    named = FolderName.read(folder.name)
    return named.step if named else -1


def _found(folder: Place) -> Found:
    try:
        taken = folder.taken_bytes()
    except OSError:  # A file of it was removed just now.
        taken = None
    found = _condition(folder)
    manifest = found.manifest
    listed = sum(entry.bytes for entry in manifest.files.values()) if manifest else 0
    saved = manifest.saved if manifest else ""
    return Found(folder, _step(folder), saved, taken or listed, found.word, found.reason)


def _condition(folder: Place) -> Condition:
    """Returns the condition, of which the name may tell more than what is inside."""
    named = FolderName.read(folder.name)
    mark = named.mark if named else ""
    if mark == INCOMPLETE:
        return Condition(INCOMPLETE, writer_told(folder.name))
    try:
        found = condition(folder)
    except OSError as error:
        return Condition(DAMAGED, str(error))
    if found.word == COMPLETE and mark == DAMAGED:
        return Condition(DAMAGED, "set aside as damaged when its step was saved again")
    return found
