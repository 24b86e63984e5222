"""Which process this is, by what torchrun sets."""

import pytest

from mirasol.launched import Launch, launch
from mirasol.progress import progress_bar
from tests.processes import variables


@pytest.fixture
def process(monkeypatch):
    def be(rank: int, count: int, **others: str) -> None:
        for name, value in (variables(rank, count, 1234) | others).items():
            monkeypatch.setenv(name, value)

    return be


def test_without_a_launcher_a_process_is_alone(monkeypatch):
    monkeypatch.setenv("RANK", "3")
    monkeypatch.delenv("MASTER_ADDR", raising=False)
    assert launch() == Launch()
    assert launch().leads
    assert not launch().several


def test_a_process_knows_its_place(process):
    process(3, 4, LOCAL_RANK="1", LOCAL_WORLD_SIZE="2")
    assert launch() == Launch(rank=3, world=4, local_rank=1, local_world=2)
    assert not launch().leads
    assert progress_bar(total=1, title="", unit="").disable


@pytest.mark.parametrize("rank", ["4", "-1", "one"])
def test_numbers_that_cannot_be_are_refused(process, rank):
    process(0, 4, RANK=rank)
    with pytest.raises(ValueError, match="RANK"):
        launch()
