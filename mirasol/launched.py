"""What torchrun says of this process; a launcher that sets the same variables will do.

    RANK, WORLD_SIZE              which process this is, of how many
    LOCAL_RANK, LOCAL_WORLD_SIZE  the same on this machine
    MASTER_ADDR, MASTER_PORT      where they find one another

Without them, all of them, a process is alone, unless it finds out otherwise and says so with
`announce`. Nothing heavy is imported.
"""

from __future__ import annotations

import dataclasses
import os

_NEEDED = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


@dataclasses.dataclass(frozen=True)
class Launch:
    """Which process this is.

    Attributes:
      rank: its number; 0 leads.
      world: how many there are.
      local_rank: its number on this machine.
      local_world: how many there are on this machine.
    """

    rank: int = 0
    world: int = 1
    local_rank: int = 0
    local_world: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process speaks, and writes, for all."""
        return self.rank == 0

    @property
    def several(self) -> bool:
        """Whether there are others."""
        return self.world > 1


def is_told() -> bool:
    """Returns whether a launcher says which process this is, be it the only one."""
    return all(os.environ.get(name) for name in _NEEDED)


def announce(here: Launch, address: str, port: str) -> None:
    """Says in the environment what torchrun would, where nobody else does.

    What asks later is told so, in this process and in those that it starts.

    Args:
      here: which process this is.
      address: of the first one's machine.
      port: there, on which they find one another.
    """
    os.environ.update(
        RANK=str(here.rank),
        WORLD_SIZE=str(here.world),
        LOCAL_RANK=str(here.local_rank),
        LOCAL_WORLD_SIZE=str(here.local_world),
        MASTER_ADDR=address,
        MASTER_PORT=port,
    )


def launch() -> Launch:
    """Returns what the environment says.

    Raises:
      ValueError: numbers that cannot be.
    """
    if not is_told():
        return Launch()
    try:
        rank, world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
        local_rank = int(os.environ.get("LOCAL_RANK", rank))
        local_world = int(os.environ.get("LOCAL_WORLD_SIZE", world))
    except ValueError as error:
        raise ValueError(f"{', '.join(_NEEDED)} must be what torchrun sets: {error}") from None
    if not 0 <= rank < world:
        raise ValueError(f"RANK is {rank} and WORLD_SIZE {world}; RANK must be from 0 to below it")
    return Launch(rank, world, local_rank, local_world)
