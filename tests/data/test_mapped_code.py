"""Code that importing has touched leaves the memory, and comes back when it is called."""

import subprocess
import sys

import pytest

from mirasol.data.mapped_code import unchanged

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


def mapping(first, rights, anonymous_kb, name):
    head = f"{first:x}-{first + 0x2000:x} {rights} 00000000 08:01 7 {name}"
    return f"{head}\nRss:  8 kB\nAnonymous:  {anonymous_kb} kB\nVmFlags: rd mr mw me\n"


def test_only_what_is_as_its_file_is_given_back():
    account = (
        mapping(0x1000, "r-xp", 0, "/lib/a.so")
        + mapping(0x3000, "r--p", 4, "/lib/a.so")  # Changed by the loader.
        + mapping(0x5000, "r--p", 0, "[vvar]")  # None of a file, and says nothing of the one above.
        + mapping(0x7000, "rw-p", 0, "/lib/a.so")
        + mapping(0x9000, "r--s", 0, "/dev/shm/shared")
        + mapping(0xB000, "r--p", 0, "")
        + mapping(0xD000, "r--p", 0, "/lib/a name.so (deleted)")
    )
    assert [*unchanged(account)] == [(0x1000, 0x2000), (0xD000, 0x2000)]
