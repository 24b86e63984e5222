"""The hosts of an XLA program, with a process each: how they find one another.

    started by                         how many, and which    where they meet
    torchrun, or what sets the same    RANK, WORLD_SIZE       MASTER_ADDR, MASTER_PORT
    anything else, such as XPK         XLA knows              MASTER_ADDR, or by the TPU's metadata

Their devices compute one program by SPMD (xla_devices.py). Beside it the hosts talk over gloo, as
torch_xla has it: its own backend is not for SPMD.
"""

from __future__ import annotations

import os
from typing import Any

from absl import logging

from mirasol.launched import Launch, announce, is_told, launch
from mirasol.runtime.talk import GlooTalk, NoTalk, Talk, meet

# That of torch_xla's own meeting, `xla://`.
_PORT = "12355"


def join_hosts() -> Talk:
    """Returns the talk of the hosts of this program, which this one joins; of one host, none.

    Torch_xla is imported, and nothing computed. From then on the environment says what torchrun
    would, to this process and to those that it starts.

    Raises:
      ValueError: a launcher started more or fewer processes than XLA knows, or no host is known
        where they could meet.
    """
    import torch_xla.runtime as xr

    count = xr.process_count()
    if is_told():
        require_one_process_a_host(launch().world, count)
    elif count > 1:
        announce(Launch(xr.process_index(), count, 0, 1), *meeting_point(xr))
    if count == 1:
        return NoTalk()
    here = launch()
    if meet(here, "gloo"):
        logging.info("%d hosts have met, this is host %d", here.world, here.rank)
    return GlooTalk()


def require_one_process_a_host(launched: int, known: int) -> None:
    """Refuses processes that would each take themselves for the whole run.

    Args:
      launched: processes, by the launcher.
      known: by XLA.

    Raises:
      ValueError: they are not as many.
    """
    if launched != known:
        raise ValueError(
            f"WORLD_SIZE says {launched} processes, and XLA knows {known}: runtime 'xla' takes one "
            "process a host, which drives all its devices. Start one on each (torchrun "
            "--nproc_per_node=1), and none by torchrun where there is but one host"
        )


def meeting_point(xr: Any) -> tuple[str, str]:
    """Returns address and port of the first host's process."""
    address = os.environ.get("MASTER_ADDR") or _found_address(xr)
    return address, os.environ.get("MASTER_PORT") or _PORT


def _found_address(xr: Any) -> str:
    """Returns the address that the TPU's metadata have for the process with XLA's index 0."""
    if not xr.is_spmd():
        xr.use_spmd()  # As the whole program will be; the hosts look for one another by it.
    try:
        return xr.get_master_ip()
    except (RuntimeError, OSError) as error:
        raise ValueError(
            f"runtime 'xla' has {xr.process_count()} hosts, and does not find the first one "
            f"({error}): set MASTER_ADDR to its address"
        ) from error
