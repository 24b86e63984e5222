"""What the commands do: check everything, then write, then run.

flags -> gin files -> spec -> workdir -> parts -> runtime -> rehearsal -> tasks -> (first write) run
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mirasol import workdirs
from mirasol.gin_files import find, run_name
from mirasol.spelling import nearest

if TYPE_CHECKING:
    from mirasol.config import Spec
    from mirasol.data.checking.tally import TextMeasure
    from mirasol.experiment import Experiment

_NAMED = 5  # Refused rows and missing files that check-data names, where not all are asked for.


@dataclasses.dataclass(frozen=True, kw_only=True)
class Request:
    """A parsed command line; flags that were not given are None or empty.

    Attributes:
      arguments: the whole line, for the record.
      bindings: "NAME = VALUE" of each --gin.NAME=VALUE.
    """

    arguments: Sequence[str] = ()
    bindings: Sequence[str] = ()
    gin_file: Sequence[str] = ()
    workdir: str | None = None
    runtime: str = "auto"
    task: Sequence[str] = ()
    split: str | None = None
    video: str | None = None
    question: str | None = None
    output: str | None = None
    sample: int = 64
    format: str = "text"
    strict: bool = False
    list_all: bool = False


def run(name: str, request: Request) -> None:
    """Runs one command.

    Raises:
      ValueError: something in the request is wrong; nothing was written.
    """
    commands: dict[str, Callable[[Request], None]] = {
        "train": train,
        "eval": evaluate,
        "infer": infer,
        "describe": describe,
        "check-data": check_data,
    }
    for file in request.gin_file:
        find(file)  # Before anything slow.
    for tasks in request.task:
        if "," in tasks:
            apart = " ".join(f"--task={task}" for task in tasks.split(","))
            raise ValueError(f"--task={tasks} names several, and a flag takes one: {apart}")
    commands[name](request)


def train(request: Request) -> None:
    """Trains, or goes on training, in the workdir."""
    if not request.gin_file:
        raise ValueError("train needs a run: --gin_file=runs/av_shapes_tiny.gin, say")
    workdir = Path(request.workdir or Path("workdirs") / run_name(list(request.gin_file)))
    spec = _load(request.gin_file, request.bindings)
    workdirs.check(workdir, spec)
    experiment = spec.build()
    where = _describe_runtime(request.runtime, experiment.precision)
    experiment.rehearse()  # Parts that do not fit are found out while nothing is written.
    experiment.check()
    workdirs.claim(workdir, spec, request.arguments, where)
    _log_to_terminal()
    for task, metrics in experiment.train(workdir, request.runtime).items():
        print(f"{task}\n{_table(metrics)}")
    print(f"trained in {workdir}; evaluate it with: python -m mirasol eval --workdir={workdir}")


def evaluate(request: Request) -> None:
    """Evaluates the newest checkpoint and prints each task's metrics."""
    workdir, experiment = _opened(request, "eval")
    _log_to_terminal()
    folder = workdirs.results(workdir, _changes(request), request.bindings)
    results = experiment.evaluate(
        workdir, request.runtime, request.task or None, request.split, folder
    )
    for task, metrics in results.items():
        print(f"{task}\n{_table(metrics)}")
    print(f"files: {folder}")


def infer(request: Request) -> None:
    """Prints the answer about one file, or writes the answers to a split's questions."""
    one = {"--video": request.video, "--question": request.question}
    many = {"--task": request.task, "--split": request.split, "--output": request.output}
    asked = many if any(many.values()) else one
    missing = [flag for flag, value in asked.items() if not value]
    if missing or (any(one.values()) and any(many.values())) or len(request.task) > 1:
        raise ValueError(
            "infer takes --video and --question, or one --task with --split and --output"
            + (f"; {' and '.join(missing)} not given" if missing else "")
        )
    if asked is many:
        output = Path(str(request.output))
        if output.is_dir():
            raise ValueError(f"--output={output} is a folder; name a file in it")
        workdir, experiment = _opened(request, "infer")
        count = experiment.infer_task(
            workdir, request.runtime, request.task[0], str(request.split), output
        )
        print(f"{count} answers in {output}")
    else:
        video = _media_file(str(request.video))
        workdir, experiment = _opened(request, "infer")
        question = str(request.question)
        answer = experiment.infer_video(workdir, request.runtime, video, question)
        for line in experiment.remarks(video, question):
            print(f"mirasol: {line}", file=sys.stderr)
        print(answer)


def describe(request: Request) -> None:
    """Prints what an experiment is."""
    if request.gin_file and request.workdir:
        raise ValueError("describe takes --gin_file or --workdir, not both")
    if request.gin_file:
        print(_load(request.gin_file, request.bindings).build().describe())
    elif request.workdir:
        print(workdirs.read(Path(request.workdir), (), request.bindings).build().describe())
    else:
        raise ValueError("describe needs --gin_file=runs/av_shapes_tiny.gin, say, or --workdir")


def check_data(request: Request) -> None:
    """Prints what annotations and media of tasks hold, and what of it cannot be used.

    Raises:
      ValueError: nothing can be used; with --strict, something cannot.
    """
    from mirasol.data.checking.check import check
    from mirasol.data.checking.findings import as_json, text

    if not (request.task or request.gin_file):
        raise ValueError("check-data needs --task=NAME, or --gin_file=RUN, whose tasks it checks")
    if request.sample < 0:
        raise ValueError(f"--sample={request.sample}; it must be 0 (no media) or more")
    wanted, measure = _checked(request)
    kept = sys.maxsize if request.list_all else _NAMED
    found = check(wanted, sample=request.sample, measure=measure, kept=kept)
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
    experiment = _load(request.gin_file, request.bindings).build()
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


def _opened(request: Request, command: str) -> tuple[Path, Experiment]:
    """Returns the workdir and its experiment.

    Its config.gin states the experiment; gin files and --gin.NAME=VALUE change that for this call
    alone. Files that state a whole experiment must state the one that the workdir holds.
    """
    if not request.workdir:
        raise ValueError(f"{command} needs --workdir, the folder that train printed")
    workdir = Path(request.workdir)
    changes = _changes(request)
    if changes or not request.gin_file:
        spec = workdirs.read(workdir, changes, request.bindings)
    else:
        spec = workdirs.read(workdir)
        workdirs.check(workdir, _load(request.gin_file, request.bindings))
    experiment = spec.build()
    _describe_runtime(request.runtime, experiment.precision)
    return workdir, experiment


def _changes(request: Request) -> Sequence[str]:
    """Returns the gin files that change the workdir's experiment; none, where they state it."""
    from mirasol import config  # As in _load.

    return () if config.states_experiment(request.gin_file) else request.gin_file


def _load(files: Sequence[str], bindings: Sequence[str]) -> Spec:
    from mirasol import config  # Not at the top: its root imports torch.

    return config.load(files, bindings)


def _describe_runtime(name: str, precision: str) -> str:
    """Opens the runtime, which tells whether there is one, and returns a line about it."""
    from mirasol.runtime.select import open_runtime

    return open_runtime(name, precision).describe()


def _media_file(name: str) -> Path:
    path = Path(name)
    if "://" in name:
        raise ValueError(f"--video={name} is an address; download the file and name that")
    if path.is_dir():
        raise ValueError(f"--video={name} is a folder; name a file in it")
    if not path.is_file():
        beside = [other.name for other in path.parent.glob("*")] if path.parent.is_dir() else []
        raise ValueError(f"no media file {name!r}{nearest(path.name, beside)}")
    return path


def _table(metrics: dict[str, float]) -> str:
    from mirasol.evaluation.table import text_report

    return text_report(metrics)


def _log_to_terminal() -> None:
    from absl import flags, logging

    flags.FLAGS.mark_as_parsed()  # Ours are, elsewhere; else a line about it comes first.
    logging.use_absl_handler()
    logging.set_verbosity(logging.INFO)
