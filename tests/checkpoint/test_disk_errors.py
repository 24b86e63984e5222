"""Disks that are full or read-only, folders that vanish: told, and nothing is lost."""

import json
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from mirasol.checkpoint.manager import CheckpointManager
from mirasol.checkpoint.manifest import CheckpointError
from mirasol.checkpoint.writer import TensorStoreWriter
from tests.checkpoint.plain_user import as_a_plain_user

NAMESPACE = ["unshare", "--user", "--map-root-user", "--mount"]
SCRIPT = "tests.checkpoint.small_disk_saver"


def make_state() -> dict:
    return {"model": {f"w{i}": torch.full((30_000,), float(i)) for i in range(8)}, "step": 5}


@pytest.fixture
def manager(public_folder: Path) -> CheckpointManager:
    """Of a folder that holds step 1."""
    manager = CheckpointManager(public_folder / "checkpoints")
    manager.save(1, make_state())
    return manager


def refused(manager: CheckpointManager, state: dict) -> str:
    """Returns the error of a save; checks that it left no trace, in the folder or in the state."""
    with pytest.raises(CheckpointError) as caught:
        manager.save(2, state)
    if manager.place.path.exists():
        assert [path.name for path in manager.place.path.iterdir()] == ["step_00000001"]
        assert torch.equal(manager.read(1)["model.w3"], torch.full((30_000,), 3.0))
    assert all(torch.equal(state["model"][f"w{i}"], torch.full((30_000,), i)) for i in range(8))
    return str(caught.value)


def require_saved(manager: CheckpointManager, state: dict) -> None:
    manager.save(2, state)
    assert torch.equal(manager.read(2)["model.w7"], torch.full((30_000,), 7.0))


@pytest.fixture
def small_files() -> Iterator[None]:
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, limit[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, limit)


def test_a_limit_on_files_is_told_and_the_state_can_be_saved_later(
    manager: CheckpointManager, small_files: None
):
    state = make_state()
    told = refused(manager, state)
    assert f"cannot save {manager.place.path / 'step_00000002'}: File too large" in told
    assert "It needs 960,000 bytes, " in told
    assert told.endswith("raise the limit on the size of a file (ulimit -f)")
    resource.setrlimit(resource.RLIMIT_FSIZE, resource.getrlimit(resource.RLIMIT_FSIZE)[1:] * 2)
    require_saved(manager, state)


def test_a_folder_in_which_one_may_not_write(manager: CheckpointManager):
    state = make_state()
    manager.place.path.chmod(0o555)
    with as_a_plain_user():
        told = refused(manager, state)
    manager.place.path.chmod(0o755)
    assert "cannot save" in told
    assert "Permission denied" in told
    assert "write there (chown, chmod, a bucket's roles), or choose another --workdir" in told
    require_saved(manager, state)


def test_checkpoints_that_one_may_not_read_do_not_pass_for_none(manager: CheckpointManager):
    """A run that took them for none would begin anew."""
    (manager.place.path / "step_00000001" / "manifest.json").chmod(0)
    with as_a_plain_user(), pytest.raises(PermissionError, match="may not read the checkpoint"):
        manager.latest_step()


def test_an_old_checkpoint_that_cannot_be_removed_is_kept(public_folder: Path):
    manager = CheckpointManager(public_folder / "checkpoints", keep=1)
    manager.save(1, make_state())
    manager.place.path.chmod(0o1777)  # As /tmp is: anyone writes, and removes only their own.
    with as_a_plain_user():
        manager.save(2, make_state())
        assert manager.steps() == ([1, 2] if (public_folder.owner() == "root") else [2])


def lost_whole(draft: Path) -> None:
    shutil.rmtree(draft)


def lost_with_all_others(draft: Path) -> None:
    shutil.rmtree(draft.parent)


def lost_in_part(draft: Path) -> None:
    """Removes the largest file: of tensors, or before there are any, of their descriptions."""
    files = [path for path in (draft / "arrays").rglob("*") if path.is_file()]
    max(files, key=lambda path: path.stat().st_size).unlink()


@pytest.mark.parametrize("lose", [lost_whole, lost_with_all_others, lost_in_part])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_folder_that_vanishes_in_mid_save(
    manager: CheckpointManager,
    monkeypatch: pytest.MonkeyPatch,
    lose: Callable[[Path], None],
    when: str,
):
    write_data = TensorStoreWriter.write_data

    def vanish_and_write(self, plan, planner):
        lose(Path(plan.storage_data))
        return write_data(self, plan, planner)

    def write_and_vanish(self, plan, planner):
        results = write_data(self, plan, planner)
        lose(Path(plan.storage_data))
        return results

    state = make_state()
    hooks = {"before": vanish_and_write, "after": write_and_vanish}
    monkeypatch.setattr(TensorStoreWriter, "write_data", hooks[when])
    told = refused(manager, state)
    assert f"cannot save {manager.place.path / 'step_00000002'}: " in told
    assert "something else moved, removed or unmounted it" in told
    monkeypatch.undo()
    require_saved(manager, state)


def run_on_a_small_disk(folder: Path) -> dict:
    namespace = [*NAMESPACE, "true"]
    allowed = shutil.which("unshare") and not subprocess.run(namespace, check=False).returncode
    command = [*(NAMESPACE if allowed else []), sys.executable, "-m", SCRIPT, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_a_full_and_a_read_only_disk(public_folder: Path):
    told = run_on_a_small_disk(public_folder)
    old = ["step_00000001"]
    reasons = {
        "full": ["No space left on device", "free space there"]
        if told["disk"]
        else ["File too large", "ulimit -f"],
        "read-only": ["Read-only file system", "make the file system writable"]
        if told["disk"]
        else ["Permission denied", "chown"],
    }
    for name, words in reasons.items():
        assert told[name]["left"] == old, name
        assert all(word in told[name]["error"] for word in words), told[name]["error"]
        assert "It needs 600,000 bytes" in told[name]["error"]
    if told["disk"]:
        assert told["too small"]["left"] == old
        assert "It needs 1,200,000 bytes" in told["too small"]["error"]
    assert told["again"] == {"error": "", "left": [*old, "step_00000002"]}
    assert told["restored"] == [49_999.0, 149_999.0]


def test_too_little_space_is_told_before_anything_is_written(
    manager: CheckpointManager, monkeypatch: pytest.MonkeyPatch
):
    usage = shutil.disk_usage(manager.place.path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1000))
    monkeypatch.setattr(TensorStoreWriter, "write_data", lambda *_: pytest.fail("wrote"))
    told = refused(manager, make_state())
    assert "No space left on device" in told
    assert "It needs 960,000 bytes, 1,000 were free" in told
    assert "keep fewer checkpoints (Trainer.keep)" in told


def test_a_file_system_that_does_not_know_its_size_is_trusted(
    manager: CheckpointManager, monkeypatch: pytest.MonkeyPatch
):
    usage = shutil.disk_usage(manager.place.path)._replace(total=0, free=0)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    require_saved(manager, make_state())


def test_a_file_where_a_folder_is_to_be(public_folder: Path):
    (public_folder / "checkpoints").write_text("")
    with pytest.raises(CheckpointError, match=r"a file stands where a folder is to be"):
        CheckpointManager(public_folder / "checkpoints").save(2, make_state())
