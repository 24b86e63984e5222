"""The manager on an object store, in which nothing is renamed: here one of local files."""

from pathlib import Path

import pytest
import torch

from mirasol.__main__ import main
from mirasol.checkpoint import draft
from mirasol.checkpoint.manager import CheckpointManager
from mirasol.checkpoint.manifest import CheckpointError
from mirasol.checkpoint.object_store import StorePlace
from mirasol.checkpoint.places import place
from mirasol.checkpoint.writer import TensorStoreWriter


def make_state(fill: float) -> dict:
    return {"model": {"w": torch.full((2000,), float(fill)), "b": torch.zeros(3)}, "step": fill}


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"file://{tmp_path}/bucket/run/checkpoints"


@pytest.fixture
def manager(url: str):
    made = CheckpointManager(url, keep=2)
    yield made
    made.close()


def objects(url: str) -> list[str]:
    return place(url).files()


def path_of(url: str) -> Path:
    return Path(url.removeprefix("file://"))


def die_in_a_save(manager: CheckpointManager, monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """Leaves what a process leaves that is killed before it writes the manifest."""

    def die(self, metadata, results):
        raise RuntimeError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(TensorStoreWriter, "finish", die)
        patch.setattr(TensorStoreWriter, "discard", lambda _: None)
        with pytest.raises(RuntimeError, match="killed"):
            manager.save(step, make_state(step))


def test_saved_restored_and_pruned(manager: CheckpointManager, url: str):
    assert manager.is_empty()
    assert manager.latest_step() is None
    for step in (1, 2, 3):
        manager.save_async(step, make_state(step))
    manager.wait_until_finished()
    assert manager.steps() == [2, 3]
    state = make_state(0.0)
    assert manager.restore(state).step == 3
    assert state["model"]["w"].eq(3.0).all() and state["step"] == 3
    assert manager.read(2, ["step"]) == {"step": 2}
    # Nothing is left of the first one, and no mark of any.
    assert {name.partition("/")[0] for name in objects(url)} == {"step_00000002", "step_00000003"}
    with pytest.raises(CheckpointError, match="step_00000003 is complete already"):
        manager.save(3, make_state(3))


def test_what_has_no_manifest_is_no_checkpoint(
    manager: CheckpointManager, url: str, monkeypatch: pytest.MonkeyPatch
):
    die_in_a_save(manager, monkeypatch, 5)
    assert any(name.startswith("step_00000005/arrays/") for name in objects(url))
    # A run that died in its first save begins anew.
    assert manager.is_empty()
    assert (manager.steps(), manager.latest_step()) == ([], None)
    with pytest.raises(CheckpointError, match="no complete checkpoint in file://"):
        manager.restore(make_state(0.0))
    manager.save(5, make_state(6.0))
    assert manager.read(5)["model.w"].eq(6.0).all()


def test_only_what_dead_processes_left_is_removed(
    manager: CheckpointManager,
    url: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
):
    manager.save(4, make_state(4.0))
    die_in_a_save(manager, monkeypatch, 5)
    before = objects(url)
    manager.clean()  # Its writer is this process, which is alive.
    assert objects(url) == before
    assert main(["checkpoint", "ls", url.removesuffix("/checkpoints")]) == 0
    listed = capsys.readouterr().out
    assert "no manifest.json" in listed
    assert f"process {draft.os.getpid()} is writing or removing it" in listed
    place(f"{url}/step_00000009").write("arrays/x", b"of nobody knows whom")
    monkeypatch.setattr(draft, "_boot_id", lambda: "another boot")
    manager.save(6, make_state(6.0))
    assert {name.partition("/")[0] for name in objects(url)} == {
        *("step_00000004", "step_00000006", "step_00000009"),
    }
    assert manager.steps() == [4, 6]


def test_a_mark_that_outlived_its_save_takes_nothing_with_it(
    manager: CheckpointManager, url: str, monkeypatch: pytest.MonkeyPatch
):
    manager.save(4, make_state(4.0))
    place(f"{url}/{draft.draft_name('step_00000004')}").write("writer", b"")
    monkeypatch.setattr(draft, "_boot_id", lambda: "another boot")
    manager.clean()
    assert manager.read(4)["model.w"].eq(4.0).all()
    assert {name.partition("/")[0] for name in objects(url)} == {"step_00000004"}


def test_damage_is_passed_over_and_set_aside(
    manager: CheckpointManager, url: str, caplog: pytest.LogCaptureFixture
):
    for step in (1, 2):
        manager.save(step, make_state(step))
    (damaged,) = [
        path
        for path in path_of(f"{url}/step_00000002").rglob("d/*")
        if make_state(2.0)["model"]["w"].numpy().tobytes() in path.read_bytes()
    ]
    content = bytearray(damaged.read_bytes())
    content[content.find(make_state(2.0)["model"]["w"].numpy().tobytes()) + 100] ^= 1
    damaged.write_bytes(content)
    state = make_state(0.0)
    assert manager.restore(state).step == 1
    assert state["model"]["w"].eq(1.0).all()
    assert "step_00000002 is damaged: cannot read array 'model.w'" in caplog.text
    manager.save(2, make_state(2.5))
    assert manager.read(2)["model.w"].eq(2.5).all()
    (aside,) = [name for name in place(url).folders() if ".damaged-" in name]
    assert place(f"{url}/{aside}").has("manifest.json")
    assert bytes(content) in [path.read_bytes() for path in path_of(f"{url}/{aside}").rglob("d/*")]


def test_a_manifest_that_is_cut_is_passed_over(manager: CheckpointManager, url: str):
    for step in (1, 2):
        manager.save(step, make_state(step))
    manifest = path_of(f"{url}/step_00000002/manifest.json")
    manifest.write_bytes(manifest.read_bytes()[:-10])
    assert manager.latest_step() == 1
    assert not manager.is_empty()


def test_a_store_that_lets_nothing_be_removed_keeps_what_is_saved(
    manager: CheckpointManager, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    def refuse(self):
        raise PermissionError(13, "no role to delete", str(self))

    monkeypatch.setattr(StorePlace, "remove", refuse)
    for step in (1, 2, 3):
        manager.save(step, make_state(step))
    assert manager.steps() == [1, 2, 3]
    assert "Not tidied, older checkpoints may stay" in caplog.text


def test_a_save_that_fails_leaves_nothing(
    manager: CheckpointManager, url: str, monkeypatch: pytest.MonkeyPatch
):
    manager.save(1, make_state(1.0))
    before = objects(url)

    def out_of_reach(self, plan, planner):
        raise OSError(5, "the store is out of reach", str(self.folder))

    with monkeypatch.context() as patch:
        patch.setattr(TensorStoreWriter, "_write", out_of_reach)
        with pytest.raises(CheckpointError, match="the store itself fails; try again"):
            manager.save(2, make_state(2.0))
    assert objects(url) == before
    manager.save(2, make_state(2.0))
    assert manager.steps() == [1, 2]
