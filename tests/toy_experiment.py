"""An experiment that notes what it is asked to do, in place of the real one."""

from __future__ import annotations

import dataclasses
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import pytest

from mirasol import config
from mirasol.__main__ import main
from mirasol.runtime.sharding import WHOLE, Sharding

# An experiment that notes what it is asked to do.


@dataclasses.dataclass(frozen=True)
class Model:
    width: int = 8

    def __post_init__(self):
        if self.width % 4:
            raise ValueError(f"width is {self.width}, no multiple of 4")
        if not self.width:
            raise ValueError(f"Model.width is {self.width}; it must be 4 up")


@dataclasses.dataclass(frozen=True)
class Experiment:
    steps: int
    seed: int = 0
    task: str = "shapes"
    model: Callable[[], Model] = Model
    precision: str = "float32"
    sharding: ClassVar[Sharding] = WHOLE
    calls: ClassVar[list[tuple]] = []

    def rehearse(self):
        self.try_batches(self.model())

    def try_batches(self, model):
        assert isinstance(model, Model)

    def build_model(self, device="cpu"):
        return self.model()

    def try_sharing(self, model, sizes=None):
        assert isinstance(model, Model)

    def try_rules(self, model):
        assert isinstance(model, Model)

    def require_packages(self):
        pass

    def try_warm_start(self, model):
        assert isinstance(model, Model)

    def pinned(self):
        return self

    def origin(self):
        return None

    def check(self, make=True):
        if self.task != "shapes":
            raise ValueError(f"no task {self.task!r}; did you mean 'shapes'?")

    def train(self, workdir, runtime, profile):
        asked = () if profile is None else (str(profile),)
        self.calls.append(("train", self.steps, workdir, runtime, *asked))
        return {"shapes": {"loss": 0.5}}

    def evaluate(self, workdir, runtime, tasks, split, folder):
        self.calls.append(("evaluate", workdir, runtime, tasks, split, folder))
        return {"shapes": {"loss": 0.5}}

    def infer_video(self, workdir, runtime, video, question):
        self.calls.append(("infer_video", workdir, video, question))
        return "circle"

    def remarks(self, video, question):
        return [f"no sound in {video}"]

    def infer_task(self, workdir, runtime, task, split, output):
        self.calls.append(("infer_task", workdir, task, split, output))
        return 3


RUN = """
from __gin__ import dynamic_registration
import toy
TRAIN_STEPS = 20
SEED = 7
toy.Experiment.steps = %TRAIN_STEPS
toy.Experiment.seed = %SEED
toy.Experiment.model = @toy.Model
"""


def stand_in(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Puts it in the place of the real one, and goes to the folder, with a run in it."""
    module = types.ModuleType("toy")
    module.Experiment, module.Model = Experiment, Model
    monkeypatch.setitem(sys.modules, "toy", module)
    monkeypatch.setattr(config, "ROOT", "toy.Experiment")
    monkeypatch.setattr(Experiment, "calls", [])
    monkeypatch.chdir(folder)
    Path("runs").mkdir()
    Path("runs/circle.gin").write_text(RUN)
    Path("clip.mp4").write_bytes(b"")


def everything_in(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def train(*more: str) -> int:
    return main(["train", "--gin_file=runs/circle.gin", "--runtime=cpu", *more])
