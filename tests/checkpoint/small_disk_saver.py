"""Saves to a small disk of its own; run as a script by test_disk_errors.py.

    [unshare --user --map-root-user --mount] python small_disk_saver.py FOLDER

In a namespace it mounts a disk of 1 MB at FOLDER; where that is not allowed, FOLDER is a plain one,
files are limited to 500 kB, and no permission stands for a read-only disk. Prints a JSON object:
whether there is a disk, and for each trial the error, and what the folder holds.
"""

import contextlib
import json
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import torch

from mirasol.checkpoint.manager import CheckpointManager
from mirasol.checkpoint.writer import TensorStoreWriter
from tests.checkpoint.plain_user import as_a_plain_user


def state(elements: int) -> dict:
    """Returns a state of four bytes an element."""
    pieces = torch.arange(elements, dtype=torch.float32).chunk(8)
    return {"model": {f"w{i}": piece for i, piece in enumerate(pieces)}}


def mounted(folder: Path) -> bool:
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(folder)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@contextlib.contextmanager
def filled(folder: Path, disk: bool) -> Iterator[None]:
    """Fills the disk while a save is under way: after it was begun, before it writes."""
    write_data = TensorStoreWriter.write_data

    def fill_and_write(self, plan, planner):
        with contextlib.suppress(OSError), (folder / "filler").open("wb", buffering=0) as file:
            while disk:
                file.write(bytes(4096))
        return write_data(self, plan, planner)

    TensorStoreWriter.write_data = fill_and_write
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    if not disk:
        resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, limit[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    TensorStoreWriter.write_data = write_data
    (folder / "filler").unlink(missing_ok=True)


@contextlib.contextmanager
def read_only(folder: Path, disk: bool) -> Iterator[None]:
    if disk:
        subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
        yield
        subprocess.run(["mount", "-o", "remount,rw", str(folder)], check=True)
        return
    (folder / "checkpoints").chmod(0o555)
    with as_a_plain_user():
        yield
    (folder / "checkpoints").chmod(0o755)


def trial(manager: CheckpointManager, step: int, elements: int) -> dict:
    try:
        manager.save(step, state(elements))
        error = ""
    except ValueError as refusal:
        error = str(refusal)
    return {"error": error, "left": sorted(path.name for path in manager.place.path.iterdir())}


def main(folder: Path) -> None:
    disk = mounted(folder)
    manager = CheckpointManager(folder / "checkpoints")
    told: dict = {"disk": disk, "sound": trial(manager, 1, 50_000)}
    if disk:
        told["too small"] = trial(manager, 2, 300_000)
    with filled(folder, disk):
        told["full"] = trial(manager, 2, 150_000)
    with read_only(folder, disk):
        told["read-only"] = trial(manager, 2, 150_000)
    told["again"] = trial(manager, 2, 150_000)
    told["restored"] = [float(manager.read(step)["model.w7"][-1]) for step in (1, 2)]
    print(json.dumps(told))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
