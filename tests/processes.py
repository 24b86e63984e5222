"""Starts a script in several processes that know one another, as torchrun does, and hears them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]


def variables(rank: int, count: int, port: int) -> dict[str, str]:
    """Returns what torchrun would set for a process."""
    numbers = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": count, "LOCAL_WORLD_SIZE": count}
    return {
        **{name: str(number) for name, number in numbers.items()},
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "OMP_NUM_THREADS": "1",
    }


def start(
    count: int,
    arguments: Sequence[str],
    cwd: Path = ROOT,
    told: Callable[[int, int, int], dict[str, str]] = variables,
) -> list[subprocess.Popen]:
    """Starts `python ARGUMENTS` in so many processes.

    Args:
      count: of them.
      arguments: of each.
      cwd: of each.
      told: (rank, count, port) -> what the environment of each says.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    python_path = {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    return [
        subprocess.Popen(
            [sys.executable, *arguments],
            cwd=cwd,
            env=os.environ | python_path | told(rank, count, port),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(count)
    ]


def finish(processes: Sequence[subprocess.Popen], timeout_s: float = 300) -> list[str]:
    """Waits for all; returns what each wrote on stdout. None may have failed."""
    told = [process.communicate(timeout=timeout_s) for process in processes]
    for process, (_, error) in zip(processes, told, strict=True):
        assert process.returncode == 0, error
    return [out for out, _ in told]
