"""Reads and writes under way."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable
from typing import Any, Self

import tensorstore as ts
from torch.futures import Future

from mirasol.checkpoint.errors import CheckpointError

LIMIT_BYTES = 2**30
# How a database was opened, which tensorstore tells at the end of some errors.
_SPEC = re.compile(r" \[tensorstore_spec=.*", re.DOTALL)
Pending = ts.Future | ts.WriteFutures


def do_nothing() -> None:
    """Does nothing."""


class Transfers:
    """Reads and writes under way, with a bound on the bytes that they hold.

    A context manager: none of them is under way any more when it is left, by an error either. Else
    writes would fill a folder again that is being removed, and reads would change tensors into
    which something else is read by then.

    Args:
      limit_bytes: of all transfers together; one larger than that goes alone.
      action: "read", "write" or "create", for errors.
    """

    def __init__(self, limit_bytes: int, action: str):
        self.limit_bytes = limit_bytes
        self.action = action
        self._pending: deque[tuple[str, int, Pending, Callable[[], None]]] = deque()
        self._bytes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        while self._pending:
            self._pending.popleft()[2].exception()

    def make_room(self, size_bytes: int) -> None:
        """Waits until `size_bytes` more fit; call it before the memory is taken."""
        while self._pending and self._bytes + size_bytes > self.limit_bytes:
            self._finish_first()

    def add(
        self, name: str, size_bytes: int, future: Pending, then: Callable[[], None] = do_nothing
    ) -> None:
        """Takes charge of one transfer of the array `name`, and of calling `then` after it."""
        self._pending.append((name, size_bytes, future, then))
        self._bytes += size_bytes

    def finish(self) -> None:
        """Waits for all. CheckpointError names the first array that failed."""
        while self._pending:
            self._finish_first()

    def _finish_first(self) -> None:
        name, size_bytes, future, then = self._pending.popleft()
        self._bytes -= size_bytes
        settle(future, f"cannot {self.action} array {name!r}")
        then()


def settle(future: Pending, failure: str) -> Any:
    """Returns the future's result; CheckpointError with `failure` and tensorstore's reason."""
    try:
        return future.result()
    except (ValueError, OSError) as error:
        raise CheckpointError(f"{failure}: {_SPEC.sub('', str(error))}") from error


def done(value: Any) -> Future:
    """Returns torch's kind of future, complete already."""
    future: Future = Future()
    future.set_result(value)
    return future
