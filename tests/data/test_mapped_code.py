"""Code that importing has touched leaves the memory, and comes back when it is called."""

import subprocess
import sys

import pytest

PROGRAM = """
from pathlib import Path
import torch
from mirasol.data import mapped_code

def resident(kind):
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{kind}:"))

product = torch.ones(64, 64) @ torch.ones(64, 64)
before = resident("Rss") - resident("Anonymous")
mapped_code.give_back()
after = resident("Rss") - resident("Anonymous")
again = torch.ones(64, 64) @ torch.ones(64, 64)
print(before, after, torch.equal(product, again))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing is given back")
def test_code_is_given_back_and_still_runs():
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    before, after, same = done.stdout.split()
    assert int(after) < 0.2 * int(before)
    assert same == "True"
