"""Hosts of an XLA program, as far as one machine can rehearse them.

XLA on the CPU knows of one process, and computes nothing with others. So what it says of hosts is
made up here, and each has one device with everything on it. What they say to one another is real.
"""

from __future__ import annotations

import os

from mirasol.runtime.torch_xla_import import import_torch_xla

_TORCHRUN = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")


def variables(index: int, count: int, port: int) -> dict[str, str]:
    """Returns the environment of a host that nobody tells its number but XLA."""
    return {
        "HOST_INDEX": str(index),
        "HOST_COUNT": str(count),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "PJRT_DEVICE": "CPU",
        # Unoptimised code: the graphs here compile in half the time.
        "XLA_FLAGS": "--xla_backend_optimization_level=0",
        "OMP_NUM_THREADS": "1",
        **dict.fromkeys(_TORCHRUN, ""),
    }


def pretend() -> int:
    """Has XLA say what the environment says of hosts; returns the index of this one."""
    import_torch_xla()
    import torch_xla.runtime as xr

    index, count = int(os.environ["HOST_INDEX"]), int(os.environ["HOST_COUNT"])
    xr.process_index, xr.process_count = lambda: index, lambda: count
    return index
