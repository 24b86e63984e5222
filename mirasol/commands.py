"""What the commands do: check everything, then write, then run.

flags -> gin files -> spec -> workdir -> parts -> runtime -> rehearsal -> tasks -> (first write) run
"""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from mirasol import workdirs
from mirasol.gin_files import find, run_name
from mirasol.provenance import comparison, record
from mirasol.spelling import nearest

if TYPE_CHECKING:
    from mirasol.config import Spec
    from mirasol.data.checking.tally import TextMeasure
    from mirasol.experiment import Experiment

_NAMED = 5  # Refused rows and missing files that check-data names, where not all are asked for.
Number = TypeVar("Number", int, float)
METRICS = "metrics.jsonl"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Request:
    """A parsed command line; flags that were not given are None or empty.

    Attributes:
      arguments: the whole line, for the record.
      bindings: "NAME = VALUE" of each --gin.NAME=VALUE.
      operands: words that are no flags.
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
    devices: str | None = None
    steps_per_second: str | None = None
    dry_run: bool = False
    operands: Sequence[str] = ()
    sample: int = 64
    format: str = "text"
    strict: bool = False
    list_all: bool = False


def run(name: str, request: Request) -> int:
    """Runs one command; returns its exit code.

    Raises:
      ValueError: something in the request is wrong; nothing was written.
    """
    commands: dict[str, Callable[[Request], int | None]] = {
        "train": train,
        "eval": evaluate,
        "infer": infer,
        "describe": describe,
        "diff": diff,
        "reproduce": reproduce,
        "check": check,
        "check-data": check_data,
    }
    for file in request.gin_file:
        find(file)  # Before anything slow.
    for tasks in request.task:
        if "," in tasks:
            apart = " ".join(f"--task={task}" for task in tasks.split(","))
            raise ValueError(f"--task={tasks} names several, and a flag takes one: {apart}")
    return commands[name](request) or 0


def train(request: Request) -> None:
    """Trains, or goes on training, in the workdir."""
    if not request.gin_file:
        raise ValueError("train needs a run: --gin_file=runs/av_shapes_tiny.gin, say")
    workdir = Path(request.workdir or Path("workdirs") / run_name(list(request.gin_file)))
    spec = _check(request)  # What does not fit is found out while nothing is written.
    workdirs.check(workdir, spec)
    experiment = spec.build()
    start = _start(request, spec, experiment, request.runtime)
    _train(workdir, spec, experiment, request.runtime, start)


def reproduce(request: Request) -> None:
    """Starts a workdir's experiment again in a new one, and tells first what differs now."""
    if len(request.operands) != 1:
        raise ValueError("reproduce needs one workdir, the folder that train printed")
    if request.bindings:
        raise ValueError(
            "reproduce changes nothing; with --gin.NAME=VALUE it is another experiment"
        )
    old = Path(request.operands[0])
    spec, then = workdirs.read(old), workdirs.last_start(old)
    workdir = workdirs.new(Path(request.workdir or f"{old}_again"))
    runtime = then["runtime"].partition(":")[0]
    experiment = spec.build()
    experiment.rehearse()  # What does not fit is found out while nothing is written.
    start = _start(request, spec, experiment, runtime, old)
    print("\n".join(comparison.changes(then, start)) or "nothing differs")
    if not request.dry_run:
        _train(workdir, spec, experiment, runtime, start)


def _start(
    request: Request, spec: Spec, experiment: Experiment, runtime: str, old: Path | None = None
) -> dict[str, Any]:
    """Checks everything, and returns the record of the start; makes data, unless told not to."""
    where = _describe_runtime(runtime, experiment.precision)
    data = experiment.check(make=not request.dry_run)
    return record.record(request.arguments, spec, where, data, old)


def _train(
    workdir: Path, spec: Spec, experiment: Experiment, runtime: str, start: dict[str, Any]
) -> None:
    workdirs.claim(workdir, spec, start)
    _log_to_terminal()
    for task, metrics in experiment.train(workdir, runtime).items():
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
    """Prints what an experiment is and costs."""
    if request.gin_file and request.workdir:
        raise ValueError("describe takes --gin_file or --workdir, not both")
    if not request.gin_file and not request.workdir:
        raise ValueError("describe needs --gin_file=runs/av_shapes_tiny.gin, say, or --workdir")
    devices = _number("devices", request.devices, int)
    rate = _number("steps_per_second", request.steps_per_second, float)
    if request.workdir:
        spec = workdirs.read(Path(request.workdir), (), request.bindings)
    else:
        spec = _load(request.gin_file, request.bindings)
    from mirasol.description import remaining, report, text

    done = remaining.progress(Path(request.workdir) / METRICS) if request.workdir else None
    question = report.Question(devices=devices, steps_per_second=rate, done=done)
    _print(report.describe(spec, question), text.render, request.format)


def diff(request: Request) -> int:
    """Prints what sets two experiments apart; returns 0 for the same, 1 for different ones."""
    if not request.operands or (len(request.operands) == 1 and not request.bindings):
        raise ValueError("diff needs two experiments, each a workdir or gin files joined by +")
    first, second = _stated(request.operands[0]), _stated(request.operands[-1], request.bindings)
    from mirasol.description import differences

    found = differences.differences(first, second)
    _print(found, differences.render, request.format)
    return 0 if found["same"] else 1


def check(request: Request) -> None:
    """Tells everything that is wrong with an experiment, and writes nothing."""
    if not request.gin_file:
        raise ValueError("check needs a run: --gin_file=runs/av_shapes_tiny.gin, say")
    spec = _check(request)
    print(f"no mistake found in {', '.join(request.gin_file)}: {len(spec.meaning)} values")


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


def _stated(name: str, bindings: Sequence[str] = ()) -> Spec:
    """Returns the experiment of a workdir, or of gin files joined by +."""
    if Path(name).is_dir():
        return workdirs.read(Path(name), (), bindings)
    return _load(name.split("+"), bindings)


def _print(content: dict[str, Any], render: Callable[[dict], str], form: str) -> None:
    print(json.dumps(content, indent=2) if form == "json" else render(content))


def _number(flag: str, given: str | None, kind: Callable[[str], Number]) -> Number | None:
    if given is None:
        return None
    try:
        return kind(given)
    except ValueError:
        what = "a whole number" if kind is int else "a number"
        raise ValueError(f"--{flag}={given} is not {what}") from None


def _check(request: Request) -> Spec:
    from mirasol import config

    return config.check(request.gin_file, request.bindings)


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
