import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mirasol.data.source import UnknownSplitError, UnknownTaskError
from mirasol.data.task_service import TaskInfo


def rows(*answers: str) -> list[dict]:
    return [{"id": str(number), "answer": answer} for number, answer in enumerate(answers)]


def test_a_task_describes_itself(service):
    assert service.describe("toy_red") == TaskInfo(
        name="toy_red",
        splits=("train", "validation"),
        num_clips={"train": 10, "validation": 5},
        is_mixture=False,
        members=("toy_red",),
    )


def test_a_mixture_names_its_members(service):
    info = service.describe("toy_both")
    assert info.is_mixture
    assert info.members == ("toy_blue", "toy_red")
    assert info.num_clips == {"train": 20, "validation": 10}


def test_unknown_names_raise_here_and_name_the_nearest(service):
    with pytest.raises(UnknownTaskError, match="'toy_bth'; did you mean 'toy_both'") as caught:
        service.describe("toy_bth")
    assert caught.value.__cause__ is None  # No traceback of another process.
    with pytest.raises(UnknownSplitError, match="'valid'; did you mean 'validation'"):
        service.check("toy_red", "valid")


def test_preparing_reads_a_split(service):
    service.prepare("toy_both", "train")
    with pytest.raises(UnknownSplitError):
        service.prepare("toy_both", "test")


@pytest.mark.parametrize("task", ["toy_red", "toy_both"])
def test_every_metric_of_the_task_is_scored(service, task):
    scores = service.score(task, rows("red", "ring", "low"), ["red", "ring", "high"])
    assert scores == {"exact": pytest.approx(2 / 3), "count": 3.0}


def test_what_cannot_be_scored_is_refused(service):
    with pytest.raises(ValueError, match="1 targets, but 2 predictions"):
        service.score("toy_red", rows("red"), ["red", "blue"])
    with pytest.raises(ValueError, match="'toy_broken' has no metric"):
        service.score("toy_broken", rows("red"), ["red"])
    with pytest.raises(ValueError, match=r"'toy_unlike' have different metrics.*toy_broken"):
        service.score("toy_unlike", rows("red"), ["red"])


def alive(pid: int) -> bool:
    """Returns whether a process runs; a zombie, which nobody may have reaped here, does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


ENDING = """
import os, sys
from multiprocessing import forkserver
from mirasol.data.task_service import TaskService

def facts():
    return "tensorflow" in sys.modules, os.environ.get("SET_LATER"), os.environ.get("HIDDEN")

if __name__ == "__main__":
    os.environ["HIDDEN"] = "no longer"
    service = TaskService(("json",))
    os.environ["SET_LATER"] = "yes"
    del os.environ["HIDDEN"]
    print(*service._ask(facts))
    print(len(os.listdir(f"/proc/{forkserver._forkserver._forkserver_pid}/task")), "thread")
    try:
        service.check("none", "train")
    except ValueError as error:
        print(error)
"""

KILLED = """
import os, sys, time
from multiprocessing import forkserver
from mirasol.data.task_service import TaskService
if __name__ == "__main__":
    service = TaskService(("json",))
    server = forkserver._forkserver._forkserver_pid
    print(server, service._ask(os.getpid) if sys.argv[1] == "at_work" else server, flush=True)
    time.sleep(600)
"""


def test_a_forgotten_service_is_quiet_and_ends_with_the_program(tmp_path):
    script = tmp_path / "ending.py"
    script.write_text(ENDING)
    done = subprocess.run(
        [sys.executable, str(script)],
        env={
            **os.environ,
            "TF_CPP_MIN_LOG_LEVEL": "1",  # As torch_xla leaves it to its children.
            "OPENBLAS_NUM_THREADS": "1",
        },
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert (done.returncode, done.stderr) == (0, "")
    forked, threads, refused = done.stdout.splitlines()
    assert forked == "True yes None"  # Imported before the fork; with the starter's environment.
    assert threads == "1 thread"  # Of the server: a fork would lack any other.
    assert refused.startswith("no task or mixture 'none' (the nearest of ")


@pytest.mark.parametrize("when", [pytest.param("importing", marks=pytest.mark.slow), "at_work"])
def test_killing_the_program_leaves_no_process_behind(tmp_path, when):
    script = tmp_path / "killed.py"
    script.write_text(KILLED)
    with subprocess.Popen(
        [sys.executable, str(script), when],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as parent:
        assert parent.stdout is not None
        below = [int(process) for process in parent.stdout.readline().split()]
        assert all(map(alive, below))
        parent.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 60
    while any(map(alive, below)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(alive, below))
