import shutil
from pathlib import Path

import pytest
import torch

from mirasol.checkpoint import writer
from mirasol.checkpoint.manager import CheckpointManager
from mirasol.checkpoint.manifest import CheckpointError
from mirasol.checkpoint.state import training_state


def make_state(fill: float = 0.0) -> dict:
    return {
        "model": {"w": torch.full((2, 3), fill), "b": torch.full((3,), fill)},
        "optimizer": {"w": {"exp_avg": torch.full((2, 3), fill + 0.5)}},
        "step": int(fill),
        "best": {"loss": fill},
    }


@pytest.fixture
def manager(tmp_path: Path) -> CheckpointManager:
    return CheckpointManager(tmp_path / "run" / "checkpoints")


def test_restore_is_in_place_and_complete(manager: CheckpointManager):
    manager.save(7, make_state(7.0))
    state = make_state()
    tensor = state["model"]["w"]
    report = manager.restore(state)
    assert state["model"]["w"] is tensor
    assert torch.equal(tensor, torch.full((2, 3), 7.0))
    assert torch.equal(state["optimizer"]["w"]["exp_avg"], torch.full((2, 3), 7.5))
    assert (state["step"], state["best"]) == (7, {"loss": 7.0})
    assert report.step == 7
    assert sorted(report.loaded) == [
        *("best.loss", "model.b", "model.w", "optimizer.w.exp_avg", "step"),
    ]
    assert str(report).endswith("5 loaded (0.0 MB), 0 missing, 0 unused, 0 changed")


def test_the_newest_stay(manager: CheckpointManager):
    assert manager.steps() == []
    assert manager.latest_step() is None
    for step in (1, 2, 3, 100_000_000):
        manager.save(step, make_state(step))
    assert manager.steps() == [3, 100_000_000]
    assert manager.latest_step() == 100_000_000
    assert sorted(path.name for path in manager.place.path.iterdir()) == [
        *("step_00000003", "step_100000000"),
    ]


def test_an_older_step_saved_again_is_not_the_one_that_goes(manager: CheckpointManager):
    for step in (5, 6, 1):
        manager.save(step, make_state(step))
    assert manager.steps() == [1, 5, 6]


def test_a_chosen_step_is_restored(manager: CheckpointManager):
    manager.save(1, make_state(1.0))
    manager.save(2, make_state(2.0))
    state = make_state()
    manager.restore(state, step=1)
    assert state["step"] == 1
    with pytest.raises(CheckpointError, match=r"no checkpoint of step 3 in .*there are: \[1, 2\]"):
        manager.restore(state, step=3)


def test_one_error_lists_every_misfit_and_nothing_is_restored(manager: CheckpointManager):
    manager.save(1, make_state(1.0))
    state = make_state()
    state["model"] = {"w": torch.zeros(2, 4), "bias": torch.zeros(3)}
    state["optimizer"]["w"]["exp_avg"] = torch.zeros(2, 3, dtype=torch.bfloat16)
    state["step"] = torch.zeros(())
    del state["best"]
    with pytest.raises(CheckpointError) as caught:
        manager.restore(state)
    text = str(caught.value)
    assert "missing in the checkpoint: model.bias; did you mean 'model.b'?" in text
    assert "unused by the state: model.b\n" in text
    assert "unused by the state: best.loss" in text
    assert "model.w: float32[2, 3] in the checkpoint, float32[2, 4] in the state" in text
    assert "exp_avg: float32[2, 3] in the checkpoint, bfloat16[2, 3] in the state" in text
    assert "step: no tensor in the checkpoint, float32[] in the state" in text
    assert not state["model"]["w"].any()


def test_a_part_is_restored_where_the_rest_may_stay_unused(manager: CheckpointManager):
    manager.save(1, make_state(1.0))
    part = {"model": make_state()["model"]}
    with pytest.raises(CheckpointError, match=r"unused by the state: optimizer\.w\.exp_avg"):
        manager.restore(part, allow_unused=["step", "best.*"])
    report = manager.restore(part, allow_unused=["optimizer.*", "step", "best.*"])
    assert part["model"]["b"].tolist() == [1.0, 1.0, 1.0]
    assert set(report.unused) == {"optimizer.w.exp_avg", "step", "best.loss"}


def test_read_gives_tensors_and_values_by_name(manager: CheckpointManager):
    manager.save(4, make_state(4.0))
    read = manager.read(4, ["step", "model.b"])
    assert read["step"] == 4
    assert torch.equal(read["model.b"], torch.full((3,), 4.0))
    assert manager.read().keys() == set(manager.manifest().names)
    with pytest.raises(CheckpointError, match=r"no 'model.bb' in .*; did you mean 'model.b'\?"):
        manager.read(4, ["model.bb"])


def test_no_checkpoint_is_a_clear_error(manager: CheckpointManager):
    with pytest.raises(CheckpointError, match=r"no complete checkpoint in .*checkpoints"):
        manager.restore(make_state())
    assert not manager.place.path.exists()


def test_a_sound_checkpoint_is_never_replaced(manager: CheckpointManager):
    manager.save(1, make_state(1.0))
    with pytest.raises(CheckpointError, match="step_00000001 is complete already"):
        manager.save(1, make_state(2.0))
    assert manager.read(1)["step"] == 1


def test_a_damaged_checkpoint_is_passed_over_and_not_in_the_way(manager: CheckpointManager):
    manager.save(1, make_state(1.0))
    manager.save(2, make_state(2.0))
    (manager.place.path / "step_00000002" / "manifest.json").unlink()
    assert manager.latest_step() == 1
    manager.save(2, make_state(3.0))
    assert manager.read(2)["best.loss"] == 3.0
    (aside,) = manager.place.path.glob("step_00000002.damaged-*")
    manager.save(3, make_state(3.0))
    assert (aside / "arrays").is_dir()


def test_foreign_folders_are_neither_counted_nor_removed(manager: CheckpointManager):
    names = ["step_1", "step_00000002", "step_00000003.incomplete-x", "notes"]
    for name in names:
        (manager.place.path / name).mkdir(parents=True)
    for step in (10, 11, 12):
        manager.save(step, make_state(step))
    assert manager.steps() == [11, 12]
    assert all((manager.place.path / name).is_dir() for name in names)


def test_a_failed_save_leaves_older_checkpoints_and_no_rubbish(
    manager: CheckpointManager, monkeypatch: pytest.MonkeyPatch
):
    manager.save(1, make_state(1.0))

    def disk_full(folder: object, arrays: dict) -> dict:
        raise OSError(28, "No space left on device", str(folder))

    monkeypatch.setattr(writer, "written_files", disk_full)
    with pytest.raises(CheckpointError, match="No space left on device"):
        manager.save(2, make_state(2.0))
    assert [path.name for path in manager.place.path.iterdir()] == ["step_00000001"]


def test_a_state_without_tensors(manager: CheckpointManager):
    manager.save(0, {"step": 0, "note": "né"})
    state = {"step": -1, "note": ""}
    manager.restore(state)
    assert state == {"step": 0, "note": "né"}


def test_bad_arguments(tmp_path: Path, manager: CheckpointManager):
    with pytest.raises(ValueError, match=r"Retention\.keep is 0; it must be a whole number"):
        CheckpointManager(tmp_path, keep=0)
    with pytest.raises(ValueError, match="step is -1; it must be 0 or more"):
        manager.save(-1, make_state())


def test_a_checkpoint_may_be_moved(manager: CheckpointManager, tmp_path: Path):
    manager.save(1, make_state(1.0))
    moved = CheckpointManager(shutil.copytree(manager.place.path, tmp_path / "elsewhere"))
    shutil.rmtree(manager.place.path)
    assert torch.equal(moved.read(1)["model.w"], torch.ones(2, 3))


def flip_a_bit_of(folder: Path) -> None:
    """Damages the data of an array, which the manifest does not notice."""
    array = torch.full((2000,), 2.5).numpy().tobytes()
    # Arrays may share a file or not, as their writes fall together.
    (data,) = [path for path in (folder / "arrays").rglob("d/*") if array in path.read_bytes()]
    content = bytearray(data.read_bytes())
    content[content.find(array) + 100] ^= 1
    data.write_bytes(content)


def large_state(fill: float) -> dict:
    return {"w": torch.full((2000,), fill), "v": torch.full((2000,), fill + 0.5), "step": int(fill)}


def test_damaged_data_are_passed_over_and_named(
    manager: CheckpointManager, caplog: pytest.LogCaptureFixture
):
    manager.save(1, large_state(1.0))
    manager.save(2, large_state(2.0))
    flip_a_bit_of(manager.place.path / "step_00000002")
    state = large_state(0.0)
    with pytest.raises(CheckpointError, match=r"step_00000002 is damaged: cannot read array 'v'"):
        CheckpointManager(manager.place.path).restore(state, step=2)
    assert manager.restore(state).step == 1
    assert state["step"] == 1
    assert state["w"].eq(1.0).all() and state["v"].eq(1.5).all()
    assert "Passing over step 2: " in caplog.text
    assert "step_00000002 is damaged: cannot read array 'v'" in caplog.text
    assert (manager.steps(), manager.latest_step()) == ([1], 1)
    assert manager.read(names=["step"]) == {"step": 1}
    # The run comes to that step again: what is damaged is out of the way, and still there.
    manager.save(2, large_state(2.0))
    manager.save(3, large_state(3.0))
    assert manager.steps() == [2, 3]
    (aside,) = manager.place.path.glob("step_00000002.damaged-*")
    assert (aside / "manifest.json").is_file()


def test_what_was_sound_a_moment_ago_is_looked_at_again(manager: CheckpointManager):
    manager.save(1, large_state(1.0))
    assert manager.latest_step() == 1
    (manager.place.path / "step_00000001" / "arrays" / "manifest.ocdbt").write_bytes(b"")
    with pytest.raises(CheckpointError, match=r"its file arrays/manifest\.ocdbt has 0 bytes"):
        manager.restore(large_state(0.0), step=1)


def test_no_sound_checkpoint_is_an_error_that_names_all(manager: CheckpointManager):
    manager.save(1, large_state(1.0))
    manager.save(2, large_state(2.0))
    flip_a_bit_of(manager.place.path / "step_00000002")
    (manager.place.path / "step_00000001" / "manifest.json").unlink()
    with pytest.raises(CheckpointError) as caught:
        manager.restore(large_state(0.0))
    assert "no complete checkpoint in" in str(caught.value)
    assert "step_00000001 is no complete checkpoint" in str(caught.value)
    assert "step_00000002 is damaged" in str(caught.value)
    assert not manager.is_empty()


def test_a_misfit_is_no_damage(manager: CheckpointManager):
    manager.save(1, large_state(1.0))
    manager.save(2, {**large_state(2.0), "more": 1})
    with pytest.raises(CheckpointError, match="unused by the state: more"):
        manager.restore(large_state(0.0))


def test_training_is_restored_from_the_older_one_too(manager: CheckpointManager):
    model = torch.nn.Linear(50, 40)
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.ones(1, 50)).sum().backward()
    optimizer.step()
    for step in (1, 2):
        with torch.no_grad():
            model.weight.fill_(step + 0.5)
        manager.save(step, {**training_state(model, optimizer), "step": step})
    flip_a_bit_of(manager.place.path / "step_00000002")
    values = {"step": 0}
    fresh = torch.nn.Linear(50, 40)
    manager.restore_training(fresh, torch.optim.AdamW(fresh.parameters()), values)
    assert values == {"step": 1}
    assert fresh.weight.eq(1.5).all()
