import threading

import pytest
import tensorstore as ts

from mirasol.checkpoint.manifest import CheckpointError
from mirasol.checkpoint.transfers import Transfers


def resolved(value: int = 0) -> ts.Future:
    promise, future = ts.Promise.new()
    promise.set_result(value)
    return future


def test_room_is_made_by_finishing_the_oldest_first():
    finished: list[str] = []
    transfers = Transfers(limit_bytes=10, action="read")
    for name in ("a", "b"):
        transfers.make_room(4)
        transfers.add(name, 4, resolved(), lambda name=name: finished.append(name))
    assert finished == []
    transfers.make_room(4)
    assert finished == ["a"]
    transfers.add("huge", 100, resolved(), lambda: finished.append("huge"))
    transfers.finish()
    assert finished == ["a", "b", "huge"]


def test_a_failure_names_the_array():
    promise, future = ts.Promise.new()
    promise.set_exception(ValueError("chunk is corrupt"))
    transfers = Transfers(limit_bytes=10, action="read")
    transfers.add("model.bias", 4, future)
    with pytest.raises(CheckpointError, match=r"cannot read array 'model.bias': chunk is corrupt"):
        transfers.finish()


def test_nothing_is_under_way_any_more_after_a_failure():
    broken, failing = ts.Promise.new()
    broken.set_exception(ValueError("disk full"))
    slow, waiting = ts.Promise.new()
    finisher = threading.Timer(0.2, lambda: slow.set_result(0))
    finisher.start()
    with (
        pytest.raises(CheckpointError, match="cannot write array 'a': disk full"),
        Transfers(limit_bytes=10, action="write") as transfers,
    ):
        transfers.add("a", 4, failing)
        transfers.add("b", 4, waiting)
        transfers.finish()
    assert waiting.done()
    finisher.join()
