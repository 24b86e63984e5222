"""The commands that answer questions: those of a split, or one about a file."""

from __future__ import annotations

import sys
from pathlib import Path

from mirasol import workdirs
from mirasol.commands.opening import changing_files, opened
from mirasol.commands.printing import log_to_terminal, table
from mirasol.commands.request import Request
from mirasol.spelling import closest, hint


def evaluate(request: Request) -> None:
    """Evaluates the newest checkpoint and prints each task's metrics."""
    workdir, experiment = opened(request, "eval")
    log_to_terminal()
    folder = workdirs.results(workdir, changing_files(request), request.bindings)
    results = experiment.evaluate(
        workdir, request.runtime, request.task or None, request.split, folder
    )
    for task, metrics in results.items():
        print(f"{task}\n{table(metrics)}")
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
        workdir, experiment = opened(request, "infer")
        count = experiment.infer_task(
            workdir, request.runtime, request.task[0], str(request.split), output
        )
        print(f"{count} answers in {output}")
    else:
        video = _media_file(str(request.video))
        workdir, experiment = opened(request, "infer")
        question = str(request.question)
        answer = experiment.infer_video(workdir, request.runtime, video, question)
        for line in experiment.remarks(video, question):
            print(f"mirasol: {line}", file=sys.stderr)
        if answer:
            print(answer)
        else:
            print("mirasol: the answer is empty: no word came before its end", file=sys.stderr)


def _media_file(name: str) -> Path:
    path = Path(name)
    if "://" in name:
        raise ValueError(f"--video={name} is an address; download the file and name that")
    if path.is_dir():
        raise ValueError(f"--video={name} is a folder; name a file in it")
    if not path.is_file():
        beside = [other.name for other in path.parent.glob("*")] if path.parent.is_dir() else []
        near = closest(path.name, beside)
        raise ValueError(f"no media file {name!r}{hint(near and str(path.with_name(near)))}")
    return path
