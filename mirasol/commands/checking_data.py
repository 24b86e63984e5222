"""The command that tells of data, before anything is trained on it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from mirasol.commands.opening import load
from mirasol.commands.request import Request, number

if TYPE_CHECKING:
    from mirasol.data.checking.tally import TextMeasure

_NAMED = 5  # Refused rows and missing files that are named, where not all are asked for.


def check_data(request: Request) -> None:
    """Prints what annotations and media of tasks hold, and what of it cannot be used.

    Raises:
      ValueError: nothing can be used; with --strict, something cannot.
    """
    from mirasol.data.checking.check import check
    from mirasol.data.checking.findings import as_json, text

    if not (request.task or request.gin_file):
        raise ValueError("check-data needs --task=NAME, or --gin_file=RUN, whose tasks it checks")
    sample = number("sample", request.sample, int)
    if sample is None or sample < 0:
        raise ValueError(f"--sample={request.sample}; it must be 0 (no media) or more")
    wanted, measure = _checked(request)
    kept = sys.maxsize if request.list_all else _NAMED
    found = check(wanted, sample=sample, measure=measure, kept=kept)
    print({"text": text, "json": as_json}[request.format](found))
    if not any(each.usable for each in found):
        raise ValueError("none of this data can be used; what is wrong stands above")
    if request.strict and not all(each.flawless for each in found):
        raise ValueError("not all of this data can be used (--strict); what is wrong stands above")


def _checked(request: Request) -> tuple[list[tuple[str, str | None]], TextMeasure]:
    """Returns the tasks and splits to check, and how an experiment, if there is one, reads texts.

    Split None stands for all splits of the task.
    """
    from mirasol.data.checking.tally import TextMeasure

    if not request.gin_file:
        if request.bindings:
            raise ValueError("--gin.NAME=VALUE changes a run: give its --gin_file, too")
        return [(task, request.split) for task in request.task], TextMeasure()
    experiment = load(request.gin_file, request.bindings).build()
    converter = experiment.converter
    measure = TextMeasure(
        "tokens",
        converter.vocabulary.encode,
        converter.shape.prompt_length,
        converter.shape.answer_length - 1,  # The end token takes one.
    )
    if request.task:
        return [(task, request.split) for task in request.task], measure
    wanted = [(task, request.split or split) for task, split in experiment.reads()]
    return list(dict.fromkeys(wanted)), measure
