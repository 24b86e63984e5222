"""Decodes every clip of a run once and keeps it small; training then reads what is kept.

python tools/cache_media.py --gin_file=runs/my.gin --gin_file=data/media_cache.gin
python tools/cache_media.py --gin_file=WORKDIR/config.gin --task=msvd_qa --split=test
python tools/cache_media.py --gin_file=... --runner=FlinkRunner -- --flink_master=host:8081

Gin files and --gin.NAME=VALUE are those of the run, with data/media_cache.gin, which names the
folder (MEDIA_CACHE). What is kept already is passed over. What follows `--` are options of Apache
Beam.
Needs `pip install 'mirasol[beam]'`.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from mirasol import config
from mirasol.data.media_cache.cache import MediaCache
from mirasol.data.references import ClipReference
from mirasol.data.splits import splits_of
from mirasol.data.task_service import TaskService
from mirasol.tool_options import ToolParser

if TYPE_CHECKING:
    from mirasol.data.media_cache.filling import Filled
    from mirasol.experiment import Experiment

# Every core of this machine; given before the caller's own options, which win.
_HERE = ("--direct_running_mode=multi_processing", "--direct_num_workers=0")
_NAMED = 5  # Broken files that are named.


def main(arguments: Sequence[str] | None = None) -> int:
    """Fills the cache that the arguments ask for; returns the exit code."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    try:
        place = arguments.index("--") if "--" in arguments else len(arguments)
        given, options = _parsed(arguments[:place]), arguments[place + 1 :]
        experiment = config.load(given.gin_file, given.gin).build()
        filled = _fill(experiment, given, options)
    except (ValueError, OSError) as error:
        print(f"cache_media: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    print(_told(filled))
    return 1 if filled.missing else 0


def _fill(experiment: Experiment, given: argparse.Namespace, options: Sequence[str]) -> Filled:
    cache = experiment.converter.media_cache
    if not isinstance(cache, MediaCache):
        raise ValueError(
            "this run has no cache: add --gin_file=data/media_cache.gin, and to `train`, too"
        )
    try:
        from mirasol.data.media_cache.filling import DIRECT_RUNNER, fill
    except ModuleNotFoundError as error:
        raise ValueError(f"{error}: pip install 'mirasol[beam]'") from None
    here = given.runner == "DirectRunner"
    runner = DIRECT_RUNNER if here else given.runner
    options = [f"--runner={runner}", *(_HERE if here else ()), *options]
    references = _references(experiment, given.task, given.split)
    return fill(references, experiment.converter, cache, options, given.retry)


def _references(experiment: Experiment, tasks: Sequence[str], split: str) -> list[ClipReference]:
    """Returns the clips of the tasks, or of all that the run reads."""
    with contextlib.ExitStack() as stack:
        service = functools.cache(lambda: stack.enter_context(TaskService()))
        pairs = [(task, split) for task in tasks] or experiment.reads()
        splits = [each for task, name in pairs for each in splits_of(task, name, service, 0)]
        references = [clip for each in splits for clip in each.clips()]
    missing = sum(each.report.missing for each in splits)
    if missing:
        print(f"{missing} rows have no media file: python -m mirasol check-data", file=sys.stderr)
    return references


def _parsed(arguments: Sequence[str]) -> argparse.Namespace:
    parser = ToolParser(description=__doc__)
    parser.add_argument("--gin_file", action="append", required=True, help="as train takes it")
    parser.add_argument("--task", action="append", default=[], help="default: all the run reads")
    parser.add_argument("--split", help="of these tasks")
    parser.add_argument("--retry", action="store_true", help="try broken files again")
    parser.add_argument("--runner", default="DirectRunner", help="of Apache Beam")
    gin = [each for each in arguments if each.startswith("--gin.")]
    given = parser.parse_args([each for each in arguments if each not in gin])
    if bool(given.task) != bool(given.split):
        raise ValueError("--task and --split go together; without both all that the run reads")
    given.gin = [each.removeprefix("--gin.").replace("=", " = ", 1) for each in gin]
    return given


def _told(filled: Filled) -> str:
    lines = [
        f"{filled.clips} clips: {filled.before} were there, "
        f"{filled.clips - filled.before - len(filled.broken) - filled.missing} decoded, "
        f"{len(filled.broken)} broken, {filled.missing} still missing"
    ]
    lines += [f"  {media}: {reason}" for media, reason in filled.broken[:_NAMED]]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
