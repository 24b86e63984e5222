"""Curves at Weights & Biases, with a stand-in for its package."""

import json
import sys
from types import ModuleType

import pytest

from mirasol import config
from mirasol.__main__ import main
from mirasol.training.wandb_curves import WeightsAndBiases
from mirasol.training.writers import MetricsWriter

RUN, WANDB = "runs/av_shapes_tiny.gin", "training/wandb.gin"


class StandIn(ModuleType):
    """The module `wandb`; keeps what is asked of it and of its runs."""

    def __init__(self):
        super().__init__("wandb")
        self.calls = []

    def init(self, **options):
        self.calls.append(("init", options))
        return self

    def define_metric(self, name, **options):
        self.calls.append(("define_metric", name, options))

    def log(self, values):
        self.calls.append(("log", values))

    def finish(self):
        self.calls.append(("finish",))


@pytest.fixture
def wandb(monkeypatch):
    stand_in = StandIn()
    monkeypatch.setitem(sys.modules, "wandb", stand_in)
    return stand_in


@pytest.fixture
def no_wandb(monkeypatch):
    monkeypatch.delitem(sys.modules, "wandb", raising=False)
    found = "mirasol.training.wandb_curves.importlib.util.find_spec"
    monkeypatch.setattr(found, lambda name: None)


def test_points_go_where_tensorboards_go(wandb, tmp_path):
    curves = WeightsAndBiases(project="p", mode="offline").open("a run", tmp_path, 0)
    writer = MetricsWriter(tmp_path, 0, [curves])
    writer.write(3, "train", {"loss": 0.5})
    writer.write(3, "validation", {"accuracy": 0.25}, task="a_task")
    writer.write_speed(3, {"examples_per_s": 7.0})
    writer.close()
    logged = [call[1] for call in wandb.calls if call[0] == "log"]
    assert logged == [
        {"step": 3, "train/loss": 0.5},
        {"step": 3, "validation/a_task/accuracy": 0.25},
        {"step": 3, "train/examples_per_s": 7.0},
    ]
    assert wandb.calls[-1] == ("finish",)
    assert ("define_metric", "*", {"step_metric": "step"}) in wandb.calls


def test_a_run_that_goes_on_goes_on_there(wandb, tmp_path):
    for step in (0, 5):
        WeightsAndBiases(project="p", entity="us").open("a run", tmp_path, step).close()
    first, second = [call[1] for call in wandb.calls if call[0] == "init"]
    assert first == second
    assert first["id"] == json.loads((tmp_path / "wandb_run.json").read_text())["id"]
    assert (first["project"], first["entity"], first["resume"]) == ("p", "us", "allow")
    other = tmp_path / "other"
    WeightsAndBiases(project="p").open("a run", other, 0)
    assert wandb.calls[-3][1]["id"] != first["id"]


def test_check_tells_that_the_package_is_missing(no_wandb, capsys):
    assert main(["check", f"--gin_file={RUN}", f"--gin_file={WANDB}"]) == 2
    assert "pip install 'mirasol[wandb]'" in capsys.readouterr().err


def test_a_workdir_is_evaluated_without_the_package(no_wandb):
    (curves,) = config.load([RUN, WANDB]).build().trainer.curves
    assert curves.project == "mirasol"


def test_a_closing_that_fails_closes_the_others(wandb, tmp_path, monkeypatch):
    def fail():
        raise ConnectionError("gone")

    curves = WeightsAndBiases(project="p").open("a run", tmp_path, 0)
    writer = MetricsWriter(tmp_path, 0, [curves])
    monkeypatch.setattr(wandb, "finish", fail)
    closed = []
    monkeypatch.setattr(writer.curves[0], "close", lambda: closed.append(True))
    with pytest.raises(ConnectionError):
        writer.close()
    assert closed == [True]
