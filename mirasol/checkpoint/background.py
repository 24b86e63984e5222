"""One action at a time in a thread of its own, and no error of it lost."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from mirasol.checkpoint.errors import CheckpointError


class Background:
    """Runs one action at a time in a thread; the interpreter does not end before it has ended.

    An error of the action is raised once, by whichever of `check`, `wait` and `start` comes first
    after it: what a disk or a store refuses as CheckpointError, any other error as it is.
    """

    def __init__(self) -> None:
        self._pool: ThreadPoolExecutor | None = None
        self._under_way: Future[None] | None = None
        self._what = ""

    def start(self, what: str, action: Callable[[], None]) -> None:
        """Starts an action, when the one before has ended.

        Args:
          what: is being done, for errors: "... failed".
          action: to run.
        """
        self.wait()
        self._pool = self._pool or ThreadPoolExecutor(1, thread_name_prefix="checkpoint")
        self._what = what
        self._under_way = self._pool.submit(action)

    def check(self) -> None:
        """Raises the error of an action that has ended; does not wait for one that has not."""
        if self._under_way is not None and self._under_way.done():
            self.wait()

    def wait(self) -> None:
        """Waits for the action under way, if there is one, and raises its error."""
        if self._under_way is None:
            return
        self._under_way.exception()  # Broken off, the waiting can be taken up again.
        ended, self._under_way = self._under_way, None
        try:
            ended.result()
        except (CheckpointError, OSError) as error:
            raise CheckpointError(f"{self._what} failed: {error}") from error

    def close(self) -> None:
        """Waits, raises, and ends the thread; the next `start` would begin another."""
        pool, self._pool = self._pool, None
        try:
            self.wait()
        finally:
            if pool is not None:
                pool.shutdown()
