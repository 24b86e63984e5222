"""Many files probed in processes, which a file may break without stopping the rest."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool

from mirasol.data.checking.probe import Probe, probe
from mirasol.data.processes import end_with_parent_alone
from mirasol.data.references import ClipReference

Look = Callable[[ClipReference], Probe]

_DIED = "reading it ended the process that did, without a word"


def probe_all(
    clips: Sequence[ClipReference], processes: int, look: Look = probe
) -> Iterator[tuple[int, Probe]]:
    """Yields (index of a clip, what is known of it), in no order, every clip once.

    Where a process dies, those under way are looked at again, one by one: the file that did it dies
    again, alone, and is told so.

    Args:
      clips: to look at.
      processes: at a time, at least 1.
      look: does it; picklable.
    """
    waiting = set(range(len(clips)))
    if not waiting:
        return
    with _pool(min(processes, len(waiting))) as pool:
        futures = {pool.submit(look, clips[index]): index for index in sorted(waiting)}
        for future in as_completed(futures):
            if not isinstance(future.exception(), BrokenProcessPool):
                waiting.discard(futures[future])
                yield futures[future], future.result()
    yield from _alone(clips, sorted(waiting), look)


def _alone(
    clips: Sequence[ClipReference], waiting: Sequence[int], look: Look
) -> Iterator[tuple[int, Probe]]:
    left = list(waiting)
    while left:
        with _pool(1) as pool:  # One serves until it dies.
            while left:
                index = left.pop(0)
                try:
                    found = pool.submit(look, clips[index]).result()
                except BrokenProcessPool:
                    yield index, Probe(clips[index].media, error=_DIED)
                    break
                yield index, found


def _pool(processes: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(
        processes, multiprocessing.get_context("spawn"), initializer=end_with_parent_alone
    )
