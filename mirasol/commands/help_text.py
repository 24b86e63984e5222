"""What `--help` prints: of one command, or of all."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from typing import Protocol

_ABOUT_GIN = (
    "--gin.NAME=VALUE binds a macro (TRAIN_STEPS) or a parameter (Trainer.clip_norm, "
    "joint/Stage.task) over the gin files; may be repeated. Text wants quotes of its own: "
    "--gin.Experiment.name='\"mine\"'."
)
_TRACEBACK = "MIRASOL_TRACEBACK=1 in the environment shows where an error was raised."


class Command(Protocol):
    """What is told of a command."""

    @property
    def summary(self) -> str:
        """What it does."""

    @property
    def example(self) -> str:
        """A line that calls it."""

    @property
    def flags(self) -> tuple[str, ...]:
        """Those that it has."""


def render(title: str, commands: Mapping[str, Command], flags: Mapping[str, str]) -> str:
    """Returns the help.

    Args:
      title: its first line.
      commands: by name; one, or all.
      flags: what each does; those that none of the commands has are left out.
    """
    lines = [title, "", "Commands:" if len(commands) > 1 else "Command:"]
    for name, command in commands.items():
        lines += [f"  {name:<12}{command.summary}", f"              {command.example}"]
    lines += ["", "Flags:", *_flags(commands, flags)]
    lines += textwrap.wrap(_ABOUT_GIN, 96, initial_indent="  ", subsequent_indent="            ")
    return "\n".join([*lines, "", _TRACEBACK])


def _flags(commands: Mapping[str, Command], flags: Mapping[str, str]) -> Iterator[str]:
    for name, text in flags.items():
        users = [command for command, known in commands.items() if name in known.flags]
        owned = f" [{', '.join(users)}]" if len(commands) > 1 else ""
        if users:
            yield f"  --{name:<10}{text}{owned}"
