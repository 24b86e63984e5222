"""Declarative experiments for Mirasol3B: python -m mirasol COMMAND [FLAGS].

Importing this file imports nothing heavy: help answers at once, and data workers, which import it
again when they start, stay small.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import sys
from collections.abc import Iterator, Sequence

from absl import flags

from mirasol.findings import ExperimentError
from mirasol.launched import launch
from mirasol.spelling import nearest
from mirasol.training.stopping import Stopped, on_signals

FAILED_BY_USER = 2  # The exit code of a command that was given something wrong.
FAILED_ELSEWHERE = 1  # That of a process that ends since another one of the same run has failed.
STOPPED = 130  # That of a command stopped by Ctrl-C, as shells have it.
TRACEBACK_VARIABLE = "MIRASOL_TRACEBACK"

_GIN_FLAG = re.compile(r"--?gin\.(?P<name>[^=\s]+)(?:=(?P<value>.*))?", re.DOTALL)

FLAGS = {
    "gin_file": "a gin file, from here or from the shipped folder; may be repeated",
    "workdir": "where a run lives; train makes workdirs/<name of the gin file> by default",
    "runtime": "auto, cpu, cuda or xla",
    "profile": "trace these steps, such as 10:13, into profile/ in the workdir",
    "task": "a seqio task; eval takes several, by default those of the experiment",
    "split": "of the task; eval takes the experiment's by default",
    "video": "a media file to ask about",
    "question": "what to ask",
    "output": "the file of predictions to write, a JSON object a line",
    "devices": "plan for so many: 64, or of a kind: h100-64, v5p-64 (by TensorCores: 32 chips)",
    "steps_per_second": "the rate to tell the time to the end by; else that of the workdir's log",
    "dry_run": "only tell what differs",
    "sample": "clips of each split whose media are probed, 64 by default",
    "step": "of a checkpoint; the newest sound one by default, all of them for ls and verify",
    "format": "text, or json with the same content",
    "part": "of the model that weights are for: video_encoder, audio_encoder or text_decoder",
    "inflation": "of kernels of pictures in time: average or centre",
    "tubelet_frames": "frames of a tubelet, to which kernels of pictures are inflated",
    "chunk_frames": "frames of a chunk, for imported positions",
    "image_size": "px, to which imported positions are resampled",
    "chunk_bands": "spectrogram columns of a chunk, for imported positions",
    "strict": "fails if anything is wrong, not only if nothing can be used",
    "list_all": "names every refused row and missing file, not only the first",
}
REPEATED = ("gin_file", "task")
SWITCHES = ("dry_run", "strict", "list_all")
CHOICES = {"format": ("text", "json")}
DEFAULTS = {"runtime": "auto", "sample": "64"}


@dataclasses.dataclass(frozen=True)
class Command:
    """What a person can type after `python -m mirasol`."""

    summary: str
    example: str
    flags: tuple[str, ...]
    operands: int = 0  # At most so many words that are no flags.


COMMANDS = {
    "train": Command(
        "train what gin files state; the same command again goes on after a stop",
        "train --gin_file=runs/av_shapes_tiny.gin --gin.TRAIN_STEPS=100",
        ("gin_file", "workdir", "runtime", "profile"),
    ),
    "eval": Command(
        "evaluate the newest checkpoint of a workdir",
        "eval --workdir=workdirs/av_shapes_tiny",
        ("gin_file", "workdir", "runtime", "task", "split"),
    ),
    "infer": Command(
        "answer a question about a media file, or every question of a split",
        'infer --workdir=workdirs/av_shapes_tiny --video=clip.mp4 --question="what is seen?"',
        ("gin_file", "workdir", "runtime", "video", "question", "task", "split", "output"),
    ),
    "describe": Command(
        "print the wiring, sizes, cost and shapes of an experiment, without data or training",
        "describe --gin_file=runs/av_shapes_tiny.gin",
        ("gin_file", "workdir", "devices", "steps_per_second", "format"),
    ),
    "diff": Command(
        "compare two experiments by meaning: gin files (joined by +) or workdirs; --gin.NAME=VALUE "
        "changes the second, or without one the first. Code 0: the same, 1: different",
        "diff runs/av_shapes.gin runs/av_shapes.gin+models/combiners/token_turing.gin",
        ("format",),
        operands=2,
    ),
    "reproduce": Command(
        "start the experiment of a workdir again in a new one; tells first what differs now",
        "reproduce workdirs/av_shapes_tiny",
        ("workdir", "dry_run"),
        operands=1,
    ),
    "check": Command(
        "tell all that is wrong with an experiment in seconds, before data, device or a file",
        "check --gin_file=runs/av_shapes_tiny.gin",
        ("gin_file",),
    ),
    "check-data": Command(
        "read all annotations of tasks, look for their media, probe some, count what is wrong",
        "check-data --task=msrvtt_qa --split=test",
        ("gin_file", "task", "split", "sample", "format", "strict", "list_all"),
    ),
    "checkpoint": Command(
        "look at checkpoints, of a workdir or a folder: ls, show what one holds, diff A B (code 1: "
        "different), verify every byte (code 1: damaged); convert SOURCE DEST, from ours to "
        "safetensors and from safetensors, Hugging Face's too, to ours",
        "checkpoint verify workdirs/av_shapes_tiny",
        (
            *("step", "format", "part", "inflation"),
            *("tubelet_frames", "chunk_frames", "image_size", "chunk_bands"),
        ),
        operands=3,
    ),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command line; returns the exit code.

    What a person got wrong is told in a line each; other errors keep their traceback.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if not arguments or {"--help", "-h", "-help", "help"} & set(arguments):
        print(_help(arguments), file=sys.stdout if arguments else sys.stderr)
        return 0 if arguments else FAILED_BY_USER
    try:
        with on_signals(), _heard():
            code = _run(arguments)
            sys.stdout.flush()
            return code
    except BrokenPipeError:  # `| head` has read enough; nor shall the flush at the end complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Stopped as stopped:
        if launch().leads:
            print(f"\nmirasol: {stopped}", file=sys.stderr)
        return stopped.code
    except KeyboardInterrupt:
        print("\nmirasol: stopped; the same command goes on from what is saved", file=sys.stderr)
        return STOPPED
    except Exception as error:
        from mirasol.runtime.failures import is_first, tell_launcher

        if not is_first(error):
            return FAILED_ELSEWHERE
        # OSError: a path that cannot be, a full disk.
        if not isinstance(error, ValueError | OSError) or os.environ.get(TRACEBACK_VARIABLE):
            tell_launcher(error)
            raise
        _tell(error)
        return FAILED_BY_USER


@contextlib.contextmanager
def _heard() -> Iterator[None]:
    """Lets one process of several write to stdout: what they write is the same."""
    with contextlib.ExitStack() as stack:
        if not launch().leads:
            nowhere = stack.enter_context(open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123
            stack.enter_context(contextlib.redirect_stdout(nowhere))
        yield


def _tell(error: ValueError | OSError) -> None:
    from mirasol.gin_messages import in_building

    told = error.findings if isinstance(error, ExperimentError) else [in_building(error)]
    for line in map(str, told):
        print(f"mirasol: {' '.join(line.split())}", file=sys.stderr)


def _run(arguments: list[str]) -> int:
    name = arguments[0]
    if name not in COMMANDS:
        known = ", ".join(COMMANDS)
        raise ValueError(f"no command {name!r}; there are {known}{nearest(name, COMMANDS)}")
    bindings, rest = _split_off_gin(arguments[1:])
    given = _parsed(name, rest)

    from mirasol.commands import dispatch
    from mirasol.commands.request import Request

    return dispatch.run(name, Request(bindings=tuple(bindings), arguments=arguments, **given))


def _split_off_gin(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Returns `--gin.NAME=VALUE` as bindings, for absl has no flags of any name, and the rest."""
    bindings, rest = [], []
    for argument in arguments:
        found = _GIN_FLAG.fullmatch(argument)
        if not found:
            rest.append(argument)
        elif not found["value"]:
            raise ValueError(f"{argument!r} has no value: write --gin.{found['name']}=VALUE")
        else:
            bindings.append(f"{found['name']} = {found['value']}")
    return bindings, rest


def _parsed(command: str, arguments: Sequence[str]) -> dict:
    """Returns the values of a command's flags."""
    values = flags.FlagValues()
    for name in COMMANDS[command].flags:
        if name in REPEATED:
            flags.DEFINE_multi_string(name, [], FLAGS[name], flag_values=values)
        elif name in SWITCHES:
            flags.DEFINE_bool(name, False, FLAGS[name], flag_values=values)
        elif name in CHOICES:
            allowed = CHOICES[name]
            flags.DEFINE_enum(name, allowed[0], allowed, FLAGS[name], flag_values=values)
        else:
            flags.DEFINE_string(name, DEFAULTS.get(name), FLAGS[name], flag_values=values)
    values.set_gnu_getopt(True)
    try:
        left = values([command, *arguments])[1:]
    except flags.UnrecognizedFlagError as error:
        raise ValueError(_unknown_flag(command, error.flagname)) from error
    except flags.Error as error:
        raise ValueError(str(error)) from error
    room = COMMANDS[command].operands
    if len(left) > room:
        takes = f"{room} word{'s' * (room > 1)} besides flags" if room else "flags alone"
        raise ValueError(
            f"{command} takes {takes}; it does not know what to do with {left[room]!r}"
        )
    return {"operands": left} | {name: values[name].value for name in COMMANDS[command].flags}


def _unknown_flag(command: str, name: str) -> str:
    owners = [other for other, spec in COMMANDS.items() if name in spec.flags]
    if owners:
        return f"{command} has no flag --{name}; it belongs to {' and '.join(owners)}"
    if name.isupper() or "." in name.strip("."):  # As macros and parameters are written.
        return f"{command} has no flag --{name}; did you mean --gin.{name}=VALUE?"
    known = [f"--{flag}" for flag in COMMANDS[command].flags]
    return (
        f"{command} has no flag --{name}{nearest(f'--{name}', known)} "
        f"(it has {', '.join(known)}, --gin.NAME=VALUE)"
    )


def _help(arguments: Sequence[str]) -> str:
    """Returns the help of the command that the line begins with, else of all."""
    from mirasol.commands import help_text

    named = [name for name in arguments[:1] if name in COMMANDS]
    commands = {name: COMMANDS[name] for name in named or COMMANDS}
    return help_text.render(__doc__.splitlines()[0], commands, FLAGS)


if __name__ == "__main__":
    sys.exit(main())
