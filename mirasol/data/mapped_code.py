"""Gives back to the system what importing has touched of libraries, and nobody needs again.

Importing TensorFlow and torch brings half a gigabyte of their code into a process's memory, and
reading data uses little of it. It lies in files: what is touched again comes back from the system's
cache.
"""

from __future__ import annotations

import ctypes
import mmap
import re
from collections.abc import Iterator
from pathlib import Path

# One mapping of /proc/self/smaps: first address, behind the last, rights, and what is mapped, which
# may be a file, a word in brackets (the stack, the kernel's own pages) or nothing.
_HEAD = re.compile(r"([0-9a-f]+)-([0-9a-f]+) (\S{4}) \S+ \S+ \d+ *(.*)")


def give_back() -> None:
    """Takes code and constants of files out of this process's memory; elsewhere than on Linux none.

    Only mappings that cannot be written to and hold no page of their own: those that the loader has
    changed are no longer what stands in the file. What the system keeps (locked memory) stays.
    """
    account = Path("/proc/self/smaps")
    if not account.exists():
        return
    system = ctypes.CDLL(None)
    for first, size in list(unchanged(account.read_text(errors="replace"))):
        system.madvise(ctypes.c_void_p(first), ctypes.c_size_t(size), mmap.MADV_DONTNEED)


def unchanged(account: str) -> Iterator[tuple[int, int]]:
    """Yields first address and size in bytes of each mapping that is as its file.

    Args:
      account: what /proc/self/smaps says.
    """
    mapping: tuple[int, int] | None = None
    for line in account.splitlines():
        if head := _HEAD.fullmatch(line):
            first, end = int(head[1], 16), int(head[2], 16)
            private_and_fixed = head[3][1] == "-" and head[3][3] == "p"
            of_a_file = head[4].startswith("/")
            mapping = (first, end - first) if of_a_file and private_and_fixed else None
        elif mapping and line.split()[:2] == ["Anonymous:", "0"]:
            yield mapping
