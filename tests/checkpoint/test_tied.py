"""Weights that go by two names in the model, and that the checkpoint has by each."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import distributed, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard

from mirasol.checkpoint.manager import CheckpointManager
from mirasol.checkpoint.manifest import CheckpointError
from mirasol.checkpoint.reshaping import Overlap
from mirasol.checkpoint.state import model_state
from mirasol.checkpoint.warm_start import WarmStart


class Words(nn.Module):
    def __init__(self, tied: bool, words: int = 700):  # 14 kB: a chunk of its own in the files.
        super().__init__()
        self.embedding = nn.Embedding(words, 5)
        self.out = nn.Linear(5, words, bias=False)
        if tied:
            self.out.weight = self.embedding.weight


def saved(model: Words, folder: Path) -> CheckpointManager:
    manager = CheckpointManager(folder)
    manager.save(1, {"model": model_state(model)})
    return manager


@pytest.fixture
def mesh(tmp_path: Path) -> Iterator[distributed.DeviceMesh]:
    distributed.init_process_group(
        "gloo", init_method=f"file://{tmp_path}/meeting", rank=0, world_size=1
    )
    yield init_device_mesh("cpu", (1,))
    distributed.destroy_process_group()


def test_they_are_restored_where_both_are_the_same(tmp_path: Path):
    trained, model = Words(tied=True), Words(tied=True)
    saved(trained, tmp_path).restore({"model": model_state(model)})
    assert torch.equal(model.embedding.weight, trained.embedding.weight)


def test_two_that_differ_are_refused_by_a_state_that_has_one(tmp_path: Path):
    untied = Words(tied=False)
    manager = saved(untied, tmp_path)
    with pytest.raises(
        CheckpointError,
        match=r"model\.embedding\.weight and model\.out\.weight are one tensor.*TextDecoder\.tied",
    ):
        manager.restore({"model": model_state(Words(tied=True))})
    # No damage: it is there for who has two of it, as before.
    model = Words(tied=False)
    assert manager.restore({"model": model_state(model)}).step == 1
    assert torch.equal(model.out.weight, untied.out.weight)


def test_in_shards(tmp_path: Path, mesh: distributed.DeviceMesh):
    trained = Words(tied=True)
    saved(trained, tmp_path / "tied")
    saved(Words(tied=False), tmp_path / "untied")
    model = fully_shard(Words(tied=True), mesh=mesh)
    WarmStart(source=str(tmp_path / "tied")).apply(model)
    assert torch.equal(model.embedding.weight.full_tensor(), trained.embedding.weight)
    with pytest.raises(CheckpointError, match="are one tensor in the model"):
        WarmStart(source=str(tmp_path / "untied")).apply(model)
    with pytest.raises(CheckpointError, match="are one tensor in the state"):
        CheckpointManager(tmp_path / "untied").restore({"model": model_state(model)})


def test_a_reshaped_one_in_shards(tmp_path: Path, mesh: distributed.DeviceMesh):
    trained = Words(tied=True)
    saved(trained, tmp_path)
    model = fully_shard(Words(tied=True, words=710), mesh=mesh)
    fresh = model.embedding.weight.full_tensor().detach().clone()
    WarmStart(source=str(tmp_path), reshapes=[Overlap(names=["*"])]).apply(model)
    found = model.embedding.weight.full_tensor()
    assert torch.equal(found[:700], trained.embedding.weight)
    assert torch.equal(found[700:], fresh[700:])
