"""Help, start-up and ends of the process, without any experiment."""

from __future__ import annotations

import os
import resource
import subprocess
import sys

import pytest

from mirasol.__main__ import COMMANDS, FLAGS, main


def test_a_log_line_comes_without_a_line_about_flags():
    program = (
        "from absl import logging; from mirasol.commands.printing import log_to_terminal;"
        "log_to_terminal(); logging.info('going on')"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    (line,) = done.stderr.splitlines()
    assert line.endswith("going on")


def test_a_process_that_learns_late_which_it_is_tells_warnings_alone_from_then_on():
    program = (
        "from absl import logging; from mirasol.commands.printing import log_to_terminal;"
        "from mirasol.launched import Launch, announce;"
        "log_to_terminal(); logging.info('before'); announce(Launch(1, 2, 0, 1), 'host-0', '1234');"
        "logging.info('alike in all'); logging.warning('%d files', 3)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        env=os.environ | {"RANK": ""},
    )
    before, after = done.stderr.splitlines()
    assert before.endswith("before")
    assert after == "process 1: WARNING: 3 files"


def test_help_names_every_command_and_flag(capsys):
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    assert all(name in text for name in COMMANDS)
    assert all(f"--{name}" in text for name in FLAGS)
    assert main([]) == 2


def test_help_of_a_command_is_about_it_alone(capsys):
    for line in (["check", "--help"], ["check", "-h"], ["check", "--gin_file=x", "--help"]):
        assert main(line) == 0
        text = capsys.readouterr().out
        assert COMMANDS["check"].summary in text and COMMANDS["check"].example in text
        told = {name for name in FLAGS if f"--{name} " in text}
        assert told == set(COMMANDS["check"].flags)
        assert "--gin.NAME=VALUE" in text
        assert not any(other.summary in text for name, other in COMMANDS.items() if name != "check")


def processor_seconds(*command: str) -> float:
    """Returns the least of three: what a command takes of a core, however busy the machine is."""
    times = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, *command], check=True, stdout=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)
    return min(times)


@pytest.mark.parametrize("command", [("-c", "import mirasol"), ("-m", "mirasol", "--help")])
def test_help_and_import_take_under_a_second(command):
    assert processor_seconds(*command) < 1.0


def test_help_imports_nothing_heavy():
    program = (
        "import sys; from mirasol.__main__ import main; main(['--help']);"
        "print({'torch', 'numpy', 'tensorflow', 'seqio', 'gin', 'av'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "set()"


def test_a_reader_that_has_read_enough_is_no_error():
    code = """
import sys
from mirasol import __main__
from mirasol.commands import dispatch
dispatch.run = lambda name, request: print("x") or 0
sys.exit(__main__.main(["check", "--gin_file=any"]))
"""
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-c", code], stdout=write, stderr=subprocess.PIPE, text=True
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (0, "")
