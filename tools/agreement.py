"""Trains one small experiment in many ways, which must all give the same losses.

python tools/agreement.py run "xla 4" "fsdp 4" microbatches   the losses of one way, as JSON
python tools/agreement.py table     all of them, to docs/benchmarks/agreement.json and the page
python tools/agreement.py rest      those that are not there yet
python tools/agreement.py show      the table of what was run before, also put into the page

A way is where it runs (a place), how it lies there (a mesh), and what is switched on (options).
Each place is a process of its own, since the kind and number of devices is fixed for a process.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from benchmarks import report

from mirasol import config
from mirasol.batch import Batch, empty_batch
from mirasol.checkpoint.state import training_state
from mirasol.experiment import Experiment
from mirasol.launched import launch
from mirasol.runtime.base import Runtime
from mirasol.runtime.select import open_runtime
from mirasol.tool_options import ToolParser
from mirasol.training.loop import step_seed
from mirasol.training.step import train_step

ROOT = Path(__file__).parents[1]
FILE = ROOT / "docs" / "benchmarks" / "agreement.json"
PAGE = ROOT / "docs" / "benchmarks.md"
STEPS = 50
# Of a loss, relative to that of the plain way.
TOLERANCE = 1e-4
EXPERIMENT = ("runs/av_shapes_tiny.gin", "overlays/deterministic.gin")
# Heads that 4 devices can share; 4 devices x 2 microbatches want 8 clips. Two stacks of two blocks
# for scan_layers, one of them with a mask.
BINDINGS = (
    "LATENT_LAYERS = 2",
    *(f"{part}HEADS = 4" for part in ("", "VIDEO_", "AUDIO_", "DECODER_", "RECONSTRUCTION_")),
    "BATCH_SIZE = 8",
    f"TRAIN_STEPS = {STEPS}",
)


@dataclasses.dataclass(frozen=True)
class Place:
    """Where a way runs.

    Attributes:
      runtime: its name.
      environment: of the processes.
      processes: how many there are, started by torchrun; one is started as it is.
    """

    runtime: str
    environment: dict[str, str] = dataclasses.field(default_factory=dict)
    processes: int = 1


# Unoptimised code: what is compiled for the CPU is compiled in half the time.
_REHEARSAL = {"PJRT_DEVICE": "CPU", "XLA_FLAGS": "--xla_backend_optimization_level=0"}
PLACES = {
    "cpu": Place("cpu"),
    "cpu, 2 processes": Place("cpu", processes=2),
    "cpu, 4 processes": Place("cpu", processes=4),
    "xla 1": Place("xla", _REHEARSAL),
    "xla 4": Place("xla", {**_REHEARSAL, "CPU_NUM_DEVICES": "4"}),
}
# Mesh and option -> gin files, bindings.
MESHES: dict[str, tuple[Sequence[str], Sequence[str]]] = {
    "one": ((), ()),
    "fsdp 2": (("overlays/fsdp.gin",), ()),
    "tensor 2": (("overlays/tensor.gin",), ("TENSOR_DEVICES = 2",)),
    "data 2 x fsdp 2": (
        ("overlays/data_parallel.gin", "overlays/fsdp.gin"),
        ("FSDP_DEVICES = 2",),
    ),
    "data 4": (("overlays/data_parallel.gin",), ()),
    "fsdp 4": (("overlays/fsdp.gin",), ()),
    "tensor 4": (("overlays/tensor.gin",), ("TENSOR_DEVICES = 4",)),
    "fsdp 2 x tensor 2": (("overlays/tensor.gin",), ("TENSOR_DEVICES = 2",)),
}
OPTIONS: dict[str, tuple[Sequence[str], Sequence[str]]] = {
    "microbatches": (("overlays/microbatches.gin",), ()),
    "checkpointing": ((), ("Mirasol.checkpoint = True",)),
    "scan_layers": ((), ("Mirasol.scan_layers = True",)),
}
MESHES_OF = {
    "cpu": ("one",),
    "cpu, 2 processes": ("fsdp 2", "tensor 2"),
    "cpu, 4 processes": ("data 4", "fsdp 4", "data 2 x fsdp 2", "tensor 4", "fsdp 2 x tensor 2"),
    "xla 1": ("one",),
    "xla 4": ("data 4", "fsdp 4", "tensor 4", "fsdp 2 x tensor 2"),
}


@dataclasses.dataclass(frozen=True)
class Way:
    """One row of the table."""

    place: str
    mesh: str = "one"
    options: tuple[str, ...] = ()

    def __str__(self) -> str:
        return ", ".join([self.place, self.mesh, *self.options])

    def experiment(self, bindings: Sequence[str] = ()) -> Experiment:
        """Builds the experiment with its mesh and options."""
        layers = [MESHES[self.mesh], *(OPTIONS[name] for name in self.options)]
        files = [*EXPERIMENT, *(file for files, _ in layers for file in files)]
        changed = [*BINDINGS, *(binding for _, some in layers for binding in some), *bindings]
        return config.load(files, changed).build()


def ways(place: str) -> Iterator[Way]:
    """Yields the ways of a place: each mesh with each option alone, and with none."""
    for mesh, option in itertools.product(MESHES_OF[place], (None, *OPTIONS)):
        yield Way(place, mesh, () if option is None else (option,))


def batches(experiment: Experiment, steps: int) -> Iterator[Batch]:
    """Yields batches of noise and random questions, the same for every way.

    Some clips lack sound or pictures, and some places a question, so that means are over unequal
    numbers in the parts of a batch.
    """
    shape, clips = experiment.converter.shape, experiment.training.batch_size
    for step in range(steps):
        generator = torch.Generator().manual_seed(step)

        def drawn(share: float, *sizes: int, generator: torch.Generator = generator):
            return torch.rand(sizes, generator=generator) < share

        batch = empty_batch(shape, clips)
        batch.video_BTFHWC.random_(0, 256, generator=generator)
        batch.audio_BTAS.normal_(generator=generator)
        batch.prompt_BQP.random_(2, 384, generator=generator)
        batch.answer_BQR.random_(2, 384, generator=generator)
        yield dataclasses.replace(
            batch,
            has_video_BT=drawn(0.9, clips, shape.chunks),
            has_audio_BT=drawn(0.8, clips, shape.chunks),
            question_BQ=drawn(0.7, clips, shape.questions),
        )


class Training:
    """An experiment on a runtime, step by step, without loader, log and checkpoints."""

    def __init__(self, experiment: Experiment, runtime: Runtime):
        self.experiment, self.runtime = experiment, runtime
        self.model = runtime.place(experiment.build_model()).train()
        recipe = experiment.trainer.optimizer
        self.optimizer = recipe.build(self.model, runtime.optimizer_options())
        runtime.lay_out(training_state(self.model, self.optimizer)["optimizer"])
        self.step = runtime.compile(self._step)

    def move(self, number: int, batch: Batch) -> dict[str, torch.Tensor]:
        """Takes step `number`, from 0; returns scalars on the device."""
        index, count = self.runtime.share
        rows = len(batch.question_BQ) // count
        own = batch.map(lambda tensor: tensor[index * rows : (index + 1) * rows])
        own = self.runtime.transfer(own)
        self.runtime.seed(step_seed(self.experiment.trainer.seed, number))
        self.experiment.trainer.optimizer.set_rate(self.optimizer, number)
        values = self.step(own)
        self.runtime.end_step()
        return values

    def _step(self, batch: Batch) -> dict[str, torch.Tensor]:
        return train_step(
            self.model,
            self.optimizer,
            batch,
            self.experiment.trainer.clip_norm,
            self.runtime.autocast,
            microbatches=self.experiment.trainer.microbatches,
            total=self.runtime.total,
        )


def losses(way: Way, steps: int, bindings: Sequence[str] = ()) -> dict[str, Any]:
    """Returns the loss of each step, and how many graphs were compiled; in this process."""
    experiment = way.experiment(bindings)
    name = PLACES[way.place].runtime
    runtime = open_runtime(name, experiment.precision, experiment.sharding)
    before = runtime.compiled_graphs()
    training = Training(experiment, runtime)
    found = [
        runtime.scalars(training.move(number, batch))["loss"]
        for number, batch in enumerate(batches(experiment, steps))
    ]
    return {
        **dataclasses.asdict(way),
        "losses": found,
        "graphs": runtime.compiled_graphs() - before,
    }


def run_place(
    place: str, some: Sequence[Way], steps: int, bindings: Sequence[str] = ()
) -> list[dict[str, Any]]:
    """Runs ways of one place in a process of its own."""
    request = [{**dataclasses.asdict(way), "steps": steps, "bindings": bindings} for way in some]
    count = PLACES[place].processes
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={count}"]
    done = subprocess.run(
        [sys.executable, *(launcher if count > 1 else []), __file__, "ways", json.dumps(request)],
        env={**os.environ, **PLACES[place].environment},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise ValueError(f"{place}: {done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def every_way() -> list[Way]:
    """Returns all ways, the plain one first, which the others are compared with."""
    return [way for place in PLACES for way in ways(place)]


def run_table(rows: Sequence[dict[str, Any]]) -> None:
    """Runs all ways but those of `rows`, each in a process of its own, which gives its memory back.

    The file has what was run so far, after each.
    """
    order, found = every_way(), {way_of(row): row for row in rows}
    for way in order:
        if way in found:
            continue
        (found[way],) = run_place(way.place, [way], STEPS)
        rows = [found[way] for way in order if way in found]
        print(tell([rows[0], found[way]]).splitlines()[-1], file=sys.stderr, flush=True)
        report.write(FILE, "agreement", "python tools/agreement.py table", rows)


def known() -> list[dict[str, Any]]:
    """Returns the rows of the file."""
    return json.loads(FILE.read_text(encoding="utf-8"))["rows"]


def way_of(row: Mapping[str, Any]) -> Way:
    """Returns which way a row is of."""
    return Way(row["place"], row["mesh"], tuple(row["options"]))


def differences(rows: Sequence[dict[str, Any]]) -> list[float]:
    """Returns for each row the largest relative difference of a loss from the first row's."""
    first = torch.tensor(rows[0]["losses"], dtype=torch.float64)
    return [
        float(((torch.tensor(row["losses"], dtype=torch.float64) - first) / first).abs().max())
        for row in rows
    ]


def tell(rows: Sequence[dict[str, Any]]) -> str:
    """Returns the table in Markdown."""
    lines = [
        (
            row["place"],
            row["mesh"],
            ", ".join(row["options"]) or "-",
            f"{row['losses'][0]:.4f}",
            f"{row['losses'][-1]:.4f}",
            f"{difference:.1e}",
        )
        for row, difference in zip(rows, differences(rows), strict=True)
    ]
    steps = len(rows[0]["losses"])
    titles = (
        "place",
        "mesh",
        "options",
        "loss of step 1",
        f"of step {steps}",
        "largest difference",
    )
    return report.table(titles, lines)


def shown(rows: Sequence[dict[str, Any]]) -> str:
    """Returns what the page shows: the table, and how much of the whole it is."""
    return f"{tell(rows)}\n\nRun so far: {len(rows)} of {len(every_way())} ways."


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command; returns the exit code."""
    options = _parser().parse_args(arguments)
    if options.command == "ways":
        torch.set_num_threads(1)
        found = [_answer(**request) for request in json.loads(options.asked)]
        if launch().leads:
            print(json.dumps(found))
    elif options.command == "run":
        way = Way(options.place, options.mesh, tuple(options.options))
        print(json.dumps(run_place(options.place, [way], options.steps)))
    else:
        if options.command != "show":
            run_table(known() if options.command == "rest" else [])
        text = shown(known())
        report.put(PAGE, "tools/agreement.py", text)
        print(text)
    return 0


def _answer(
    place: str, mesh: str, options: Sequence[str], steps: int, bindings: Sequence[str]
) -> dict[str, Any]:
    return losses(Way(place, mesh, tuple(options)), steps, bindings)


def _parser() -> argparse.ArgumentParser:
    parser = ToolParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("run", help="one way")
    one.add_argument("place", choices=PLACES)
    one.add_argument("mesh", choices=MESHES, nargs="?", default="one")
    one.add_argument("options", choices=[*OPTIONS, []], nargs="*")
    one.add_argument("--steps", type=int, default=STEPS)
    here = commands.add_parser("ways", help="those that are asked for, in this process")
    here.add_argument("asked", help="as JSON")
    commands.add_parser("table", help="all of them")
    commands.add_parser("rest", help="those that are not there yet")
    commands.add_parser("show", help="what was run before, also put into the page")
    return parser


if __name__ == "__main__":
    sys.exit(main())
