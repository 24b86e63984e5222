"""From the name of a command to what it does."""

from __future__ import annotations

from collections.abc import Callable

from mirasol.commands.answering import evaluate, infer
from mirasol.commands.checking_data import check_data
from mirasol.commands.checkpoints import checkpoint
from mirasol.commands.inspection import check, describe, diff
from mirasol.commands.request import Request
from mirasol.commands.training import reproduce, train
from mirasol.gin_files import find


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
        "checkpoint": checkpoint,
    }
    for file in request.gin_file:
        find(file)  # Before anything slow.
    for tasks in request.task:
        if "," in tasks:
            apart = " ".join(f"--task={task}" for task in tasks.split(","))
            raise ValueError(f"--task={tasks} names several, and a flag takes one: {apart}")
    return commands[name](request) or 0
