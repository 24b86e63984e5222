"""A save in the background: of what was there when it began, and with no error lost."""

import threading
from pathlib import Path

import pytest
import torch

from mirasol.checkpoint import saver
from mirasol.checkpoint.background import Background
from mirasol.checkpoint.host_copy import HostCopy
from mirasol.checkpoint.manager import CheckpointManager
from mirasol.checkpoint.manifest import CheckpointError


@pytest.fixture
def manager(tmp_path: Path):
    with_thread = CheckpointManager(tmp_path / "checkpoints")
    yield with_thread
    with_thread.close()


def test_what_is_saved_is_the_state_as_it_was(manager: CheckpointManager):
    release = threading.Event()
    weight = torch.ones(3)
    state = {"model": {"w": weight}, "step": 1}
    manager.save_async(1, state, first=lambda: release.wait(10) or None)
    weight.fill_(2.0)
    state["step"] = 2
    assert manager.steps() == []
    release.set()
    manager.wait_until_finished()
    assert manager.read(1)["model.w"].tolist() == [1.0, 1.0, 1.0]
    assert manager.read(1)["step"] == 1


def test_the_next_save_waits_for_the_last(manager: CheckpointManager):
    order = []
    for step in (1, 2, 3):
        state = {"w": torch.full((2,), float(step))}
        manager.save_async(step, state, first=lambda step=step: order.append(step))
    manager.close()
    assert order == [1, 2, 3]
    assert manager.steps() == [2, 3]
    assert manager.read(2)["w"].tolist() == [2.0, 2.0]
    manager.save_async(4, {"w": torch.zeros(2)})  # A new thread.
    manager.wait_until_finished()
    assert manager.latest_step() == 4


@pytest.mark.parametrize("surface", ["check_error", "wait_until_finished", "save", "close"])
def test_an_error_surfaces_once(manager: CheckpointManager, monkeypatch, surface: str):
    manager.save(1, {"w": torch.ones(2)})

    def disk_full(tensors, writer, group):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(saver, "save_tensors", disk_full)
        manager.save_async(2, {"w": torch.ones(2)})
        under_way = manager._background._under_way
        assert under_way is not None and under_way.exception(timeout=10) is not None
    surfaces = {"save": lambda: manager.save(3, {"w": torch.ones(2)})}
    with pytest.raises(
        CheckpointError, match=r"the save of step 2 failed: .*No space left on device"
    ):
        surfaces.get(surface, getattr(manager, surface))()
    manager.check_error()
    assert manager.steps() == [1]


def test_a_check_does_not_wait():
    release, background = threading.Event(), Background()
    background.start("wait", lambda: release.wait(10) or None)
    background.check()
    assert not release.is_set()
    release.set()
    background.close()


def test_copies_are_taken_into_the_same_memory():
    host, tensors = HostCopy(), {"a": torch.ones(4, 3).T, "b": torch.ones(2)}
    first = host.take(tensors)
    places = {name: copy.data_ptr() for name, copy in first.items()}
    assert first["a"].is_contiguous()
    tensors["a"].fill_(5.0)
    assert first["a"].eq(1.0).all()
    second = host.take(tensors)
    assert {name: copy.data_ptr() for name, copy in second.items()} == places
    assert second["a"].eq(5.0).all()
    third = host.take({"a": torch.ones(2, dtype=torch.bfloat16)})
    assert third.keys() == {"a"} == host._copies.keys()
    assert third["a"].dtype == torch.bfloat16


def test_memory_may_be_taken_ahead(manager: CheckpointManager):
    weight = torch.nn.Parameter(torch.ones(4, 3).T)
    state = {"w": weight, "eight": torch.ones(2, dtype=torch.float8_e4m3fn), "step": 1}
    manager.reserve(state)
    places = {name: copy.data_ptr() for name, copy in manager._host_copy._copies.items()}
    manager.save_async(1, state)
    manager.wait_until_finished()
    assert {n: c.data_ptr() for n, c in manager._host_copy._copies.items()} == places
    read = manager.read(1)
    assert torch.equal(read["w"], weight)
    assert read["eight"].float().tolist() == [1.0, 1.0]


def test_a_parameter_is_copied_without_its_gradient():
    parameter = torch.nn.Parameter(torch.ones(2))
    host = HostCopy()
    for _ in range(2):
        copy = host.take({"w": parameter})["w"]
        assert not copy.requires_grad
        assert copy.data_ptr() != parameter.data_ptr()
