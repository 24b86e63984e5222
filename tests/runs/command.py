"""Runs `python -m mirasol` in a process of its own, as a person would."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import IO

# What a training process must never import, asked of the process itself when the command is done.
_WRAPPED = """
import atexit, sys
def tell():
    print("IMPORTED", *[m for m in ("tensorflow", "seqio", "torch_xla") if m in sys.modules])
if __name__ == "__main__":
    atexit.register(tell)
    from mirasol.__main__ import main
    sys.exit(main())
"""


def environment(data: Path) -> dict[str, str]:
    return {**os.environ, "MIRASOL_DATA": str(data), "PJRT_DEVICE": "CPU"}


def run(*arguments: str, data: Path, cwd: Path) -> subprocess.CompletedProcess:
    """Runs to the end; the output's last line says which of the heavy packages were imported."""
    script = cwd / "run_mirasol.py"
    script.write_text(_WRAPPED)
    return subprocess.run(
        [sys.executable, str(script), *arguments],
        cwd=cwd,
        env=environment(data),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def start(
    *arguments: str, data: Path, cwd: Path, stderr: IO | int = subprocess.DEVNULL
) -> subprocess.Popen:
    """Starts the command, in a process group of its own, and returns at once."""
    return subprocess.Popen(
        [sys.executable, "-m", "mirasol", *arguments],
        cwd=cwd,
        env=environment(data),
        stdout=subprocess.DEVNULL,
        stderr=stderr,
        start_new_session=True,
    )


def lines(workdir: Path, name: str = "metrics.jsonl") -> list[dict]:
    """The whole lines of a file of the run."""
    path = workdir / name
    text = path.read_text() if path.exists() else ""
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]
