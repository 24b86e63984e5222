"""The whole road on two cores: make clips, train, evaluate, ask; what `make demo` runs.

python tools/demo.py
python tools/demo.py --seed=1
python tools/demo.py --gin_file=runs/av_shapes_tiny.gin --workdir=workdirs/demo-tiny

It runs the commands that you would, and shows each before it runs it. Stopped half-way, the same
command goes on from the last checkpoint.
"""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mirasol.evaluation.table import text_table
from mirasol.tool_options import ToolParser

# Questions that no single picture and no single sound can answer make the better show.
SHOWN_TYPES = ("together", "order")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the demo; returns the exit code of the step that failed, or 0."""
    options = _options(arguments)
    try:
        _train_evaluate_ask(options.gin_file, options.workdir, options.seed)
    except subprocess.CalledProcessError as error:
        say(f"demo: stopped, since the command above ended with code {error.returncode}")
        return error.returncode if error.returncode > 0 else 1
    except KeyboardInterrupt:
        say("\ndemo: stopped; the same command goes on from the last checkpoint")
        return 130
    return 0


def _train_evaluate_ask(gin_files: Sequence[str], workdir: Path, seed: int | None) -> None:
    heading("Train (the first time, the clips are made first)")
    started = time.monotonic()
    overrides = [] if seed is None else [f"--gin.SEED={seed}"]
    files = [f"--gin_file={name}" for name in gin_files]
    run_mirasol("train", *files, *overrides, f"--workdir={workdir}")
    minutes = (time.monotonic() - started) / 60

    heading("Evaluate: every validation question, answered by generation")
    before = results_in(workdir)
    run_mirasol("eval", f"--workdir={workdir}")
    # Those of earlier evaluations, of other tasks perhaps, keep their time.
    results = [path for path, time_ns in results_in(workdir).items() if before.get(path) != time_ns]

    heading("Ask about two files")
    predictions = read_lines(results[0].with_name(f"{results[0].stem}-predictions.jsonl"))
    dialogue = [_ask(workdir, row) for row in two_questions(predictions)]

    heading("Results")
    for path in results:
        metrics = json.loads(path.read_text(encoding="utf-8"))
        say(f"{path.stem}, step {metrics['step']}\n\n{text_table(metrics)}\n")
    say("above oracle: the whole interval lies above the bag oracle, which knows how often")
    say("each thing occurs in a clip, but not when.\n")
    say("\n".join(dialogue))
    for path in results:
        say(f"contact sheet  {path.with_suffix('.png')}")
    say(f"workdir        {workdir}")
    say(
        f"train took     {minutes:.1f} min this time, with clips to make and evaluations on the way"
    )


def _ask(workdir: Path, row: dict[str, Any]) -> str:
    answer = run_mirasol(
        "infer",
        f"--workdir={workdir}",
        f"--video={row['media']}",
        f"--question={row['question']}",
        capture=True,
    ).strip()
    say(answer)
    return (
        f"file      {row['media']}\nquestion  {row['question']}\n"
        f"answer    {answer}   (annotation: {row['answer']})\n"
    )


def run_mirasol(*arguments: str, capture: bool = False) -> str:
    """Shows and runs `python -m mirasol ...`; returns what it printed, if captured.

    Raises:
      subprocess.CalledProcessError: the command failed.
    """
    python = Path(sys.executable)
    # As you would type it here.
    shown = python.relative_to(Path.cwd()) if python.is_relative_to(Path.cwd()) else python
    say(f"$ {shlex.join([str(shown), '-m', 'mirasol', *arguments])}\n")
    done = subprocess.run(
        [str(python), "-m", "mirasol", *arguments],
        check=True,
        stdout=subprocess.PIPE if capture else None,
        text=True,
    )
    return done.stdout or ""


def results_in(workdir: Path) -> dict[Path, int]:
    """Returns the files of metrics in a working directory and when each was written, ns."""
    return {path: path.stat().st_mtime_ns for path in sorted((workdir / "eval").glob("*.json"))}


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Returns the objects of a JSON lines file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def two_questions(predictions: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Returns the first question of each of SHOWN_TYPES, about two files, else the first ones.

    Which were answered rightly is not looked at.
    """
    chosen: list[dict[str, Any]] = []
    wanted = [row for name in SHOWN_TYPES for row in predictions if row["type"] == name]
    for row in [*wanted, *predictions]:
        repeated = any(
            row["media"] == other["media"] or row["type"] == other["type"] != "" for other in chosen
        )
        if not repeated:
            chosen.append(row)
        if len(chosen) == 2:
            break
    return chosen


def heading(text: str) -> None:
    """Prints a section's heading."""
    say(f"\n=== {text} ===\n")


def say(text: str) -> None:
    """Prints at once, so that the order holds beside what the commands print."""
    print(text, flush=True)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = ToolParser(description=__doc__)
    parser.add_argument("--gin_file", action="append", help="default: runs/av_shapes.gin")
    parser.add_argument("--seed", type=int, help="default: the gin file's")
    parser.add_argument("--workdir", type=Path, help="default: workdirs/demo[-seed-SEED]")
    options = parser.parse_args(arguments)
    options.gin_file = options.gin_file or ["runs/av_shapes.gin"]
    name = "demo" if options.seed is None else f"demo-seed-{options.seed}"
    options.workdir = options.workdir or Path("workdirs") / name
    return options


if __name__ == "__main__":
    sys.exit(main())
