"""How much memory something takes, from Linux's account of this process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path


def peak_bytes(action: Callable[[], object]) -> int:
    """Returns by how much the most that was resident during an action exceeds what was before it.

    Linux's mark of the highest is put back first: building what the action works on leaves a higher
    one, and a new process may begin with its parent's.
    """
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    before = _resident_bytes("VmRSS")
    action()
    return _resident_bytes("VmHWM") - before


def _resident_bytes(name: str) -> int:
    """Returns a number of /proc/self/status: VmRSS is resident now, VmHWM the most there was."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    (kilobytes,) = (line.split()[1] for line in lines if line.startswith(f"{name}:"))
    return int(kilobytes) * 1024
