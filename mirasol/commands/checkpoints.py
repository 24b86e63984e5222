"""The commands that look at checkpoints, and write nothing; `convert` stands in converting.py.

What they print: checkpoint_text.py.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from mirasol.commands import checkpoint_text as text
from mirasol.commands.converting import convert, refuse_conversion_flags
from mirasol.commands.printing import print_as
from mirasol.commands.request import Request, number
from mirasol.spelling import nearest

if TYPE_CHECKING:
    from mirasol.checkpoint.places import Place


def checkpoint(request: Request) -> int:
    """Does what the first operand says; returns the exit code, 1 for different or damaged.

    Raises:
      ValueError: no such action or checkpoint; or, to show or diff, it is damaged.
    """
    known = ", ".join(_ACTIONS)
    if request.bindings:
        raise ValueError("checkpoint reads no gin: leave out --gin.NAME=VALUE")
    if not request.operands:
        raise ValueError(f"checkpoint needs one of {known}, and a place: checkpoint ls WORKDIR")
    name, *places = request.operands
    if name not in _ACTIONS:
        raise ValueError(f"checkpoint has no {name!r}; it has {known}{nearest(name, _ACTIONS)}")
    action, wanted = _ACTIONS[name]
    if len(places) != wanted:
        places_wanted = "one place" if wanted == 1 else "two places"
        raise ValueError(
            f"checkpoint {name} needs {places_wanted}, each a workdir, a folder of checkpoints or "
            f"a checkpoint, not {len(places)}"
        )
    if action is not convert:
        refuse_conversion_flags(name, request)
    return action(places, request)


def _ls(places: Sequence[str], request: Request) -> int:
    """Lists what is there, sound or not."""
    from mirasol.checkpoint.survey import survey

    print_as(
        text.listing(survey(*_place_and_step(places[0], request))),
        text.render_listing,
        request.format,
    )
    return 0


def _show(places: Sequence[str], request: Request) -> int:
    """Prints what one checkpoint holds, without its tensors' contents."""
    from mirasol.checkpoint.manifest import read_manifest

    folder = _one(places[0], request)
    print_as(text.contents(folder, read_manifest(folder)), text.render_contents, request.format)
    return 0


def _diff(places: Sequence[str], request: Request) -> int:
    """Compares two checkpoints; returns 1 if they differ."""
    from mirasol.checkpoint.comparison import compare_checkpoints

    a, b = (_one(each, request) for each in places)
    found = compare_checkpoints(a, b)
    print_as(text.differences(a, b, found), text.render_differences, request.format)
    return 0 if found.same else 1


def _verify(places: Sequence[str], request: Request) -> int:
    """Reads every byte; returns 1 if any is damaged."""
    from mirasol.checkpoint.survey import all_steps
    from mirasol.checkpoint.verification import verify

    read = [verify(folder) for folder in all_steps(*_place_and_step(places[0], request))]
    # A run that goes on may have removed its oldest one in the meantime.
    verdicts = [verdict for verdict in read if verdict.sound or verdict.folder.exists()]
    print_as(text.verdicts(verdicts), text.render_verdicts, request.format)
    return 0 if all(verdict.sound for verdict in verdicts) else 1


def _one(name: str, request: Request) -> Place:
    """Returns the checkpoint to look at; tells of newer ones that are passed over."""
    from mirasol.checkpoint.survey import newest

    folder, passed = newest(*_place_and_step(name, request))
    for other in passed:
        print(f"mirasol: passing over {other.folder}: {other.reason}", file=sys.stderr)
    return folder


def _place_and_step(name: str, request: Request) -> tuple[Place, int | None]:
    from mirasol.checkpoint.places import place

    return place(name), number("step", request.step, int)


# By name, with how many places it takes.
_ACTIONS: dict[str, tuple[Callable[[Sequence[str], Request], int], int]] = {
    "ls": (_ls, 1),
    "show": (_show, 1),
    "diff": (_diff, 2),
    "verify": (_verify, 1),
    "convert": (convert, 2),
}
