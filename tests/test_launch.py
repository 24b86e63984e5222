"""The page about launching, and its scripts: shell syntax, gin files, macros, flags."""

from __future__ import annotations

import os
import re
import shlex
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from mirasol import config
from mirasol.__main__ import COMMANDS, REPEATED
from tests.runs.made_up import RUN

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "launch.md").read_text(encoding="utf-8")
SCRIPTS = sorted((ROOT / "docs" / "launch").glob("*.sh"))


def joined(text: str) -> str:
    return text.replace("\\\n", " ")


def defaults(script: str) -> str:
    """Puts what a variable is by default in its place."""
    for name, default in re.findall(r"^(\w+)=\$\{\1:-(.*)\}$", script, re.MULTILINE):
        script = script.replace(f'"${name}"', default)
    return script


def commands() -> list[str]:
    """Every `mirasol ...` that the page and the scripts tell, on one line."""
    texts = [*re.findall(r"```\n(.*?)```", PAGE, re.DOTALL)]
    texts += [defaults(script.read_text(encoding="utf-8")) for script in SCRIPTS]
    found = [line for text in texts for line in joined(text).splitlines() if "-m mirasol " in line]
    told = [line.partition("-m mirasol ")[2].rstrip("& ") for line in found]
    # XPK takes the whole command in quotes, which open before it.
    return [line.removesuffix('"') if line.count('"') % 2 else line for line in told]


def test_there_are_commands():
    names = ["one_machine", "slurm_gpus", "torchrun_nodes", "xpk_tpus"]
    assert [script.stem for script in SCRIPTS] == names
    assert len(commands()) == 10


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_the_shell_reads_the_script(script):
    read = subprocess.run(["bash", "-n", str(script)], capture_output=True, text=True, check=False)
    assert (read.returncode, read.stderr) == (0, "")
    assert re.search("[Nn]ever run", script.read_text(encoding="utf-8"))
    assert f"launch/{script.name}" in PAGE


@pytest.fixture
def torchrun(tmp_path: Path) -> dict[str, str]:
    """An environment with a `torchrun` that runs the same command on made-up data."""
    folder = tmp_path / "bin"
    folder.mkdir()
    swapped = "['tests.runs.several_run' if word == 'mirasol' else word for word in sys.argv]"
    program = (
        f"#!{sys.executable}\nimport sys\nfrom torch.distributed.run import main\n"
        f"sys.argv = {swapped}\nmain()\n"
    )
    (folder / "torchrun").write_text(program)
    (folder / "torchrun").chmod(0o755)
    (tmp_path / "run.gin").write_text(RUN.replace("BATCH_SIZE = 2", "BATCH_SIZE = 4"))
    return os.environ | {
        "PATH": f"{folder}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
        "RUN": "run.gin",
        "RUNTIME": "cpu",
        "WORKDIR": "workdir",
    }


@pytest.mark.slow
def test_two_nodes_of_torchrun_train_together(torchrun, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    asked = {"NODES": "2", "FIRST": "127.0.0.1", "PORT": str(port), "PROCESSES": "1"}
    nodes = [
        subprocess.Popen(
            ["bash", str(ROOT / "docs/launch/torchrun_nodes.sh")],
            cwd=tmp_path,
            env=torchrun | asked,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    told = [node.communicate(timeout=600)[1] for node in nodes]
    assert [node.returncode for node in nodes] == [0, 0], told
    # Had each trained by itself, each would have spoken and saved.
    assert "".join(told).count("Saved workdir/checkpoints/step_00000020") == 1
    assert sorted(map(bool, told)) == [False, True]


@pytest.mark.parametrize("command", commands())
def test_flags_files_and_macros_are_there(command):
    name, *words = shlex.split(command)
    flags = [word.removeprefix("--").partition("=") for word in words]
    files = [value for flag, _, value in flags if flag == "gin_file"]
    bindings = [
        f"{flag.removeprefix('gin.')} = {re.sub(r'[$].*', '8', value)}"
        for flag, _, value in flags
        if flag.startswith("gin.")
    ]
    others = [flag for flag, _, _ in flags if not flag.startswith("gin.")]
    assert set(others) <= set(COMMANDS[name].flags)
    assert len([flag for flag in others if flag not in REPEATED]) == len(set(others) - {"gin_file"})
    if files:
        config.load(files, bindings)


def test_links_lead_somewhere():
    targets = re.findall(r"\]\(([^)#]+)[^)]*\)", PAGE)
    assert targets
    assert [target for target in targets if not (ROOT / "docs" / target).is_file()] == []
