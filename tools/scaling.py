"""Plans for Mirasol 3B on many devices, as docs/scaling.md shows them.

python tools/scaling.py     makes the tables anew, in docs/scaling.md

One device's step is gone through once; the plans for all numbers of devices are made from it.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks import report

from mirasol import config
from mirasol.description.devices import plan
from mirasol.description.machines import devices
from mirasol.description.memory import step_memory
from mirasol.description.messages import Passing, passing
from mirasol.description.text import size
from mirasol.runtime.mesh import Mesh

PAGE = Path(__file__).parents[1] / "docs" / "scaling.md"
FILES = ("runs/pretraining.gin", "models/mirasol_3b.gin", "data/frames_128.gin")
CLIPS = 4
BINDINGS = (
    "Experiment.precision = 'bfloat16'",
    "Mirasol.checkpoint = True",
    f"BATCH_SIZE = {CLIPS}",
)
# Title -> devices -> mesh; all axes that are not named are 1, -1 are all devices left.
ASKED: dict[str, tuple[tuple[str, ...], Mapping[str, int]]] = {
    "TPU v5p, all in one fsdp axis": (
        ("v5p-64", "v5p-128", "v5p-256", "v5p-512", "v5p-1024", "v5p-2048", "v5p-4096"),
        {"fsdp": -1},
    ),
    "TPU v5p, copies of 32 chips": (
        ("v5p-128", "v5p-512", "v5p-2048", "v5p-4096"),
        {"data": -1, "fsdp": 32},
    ),
    "H100, all in one fsdp axis": (
        tuple(f"h100-{count}" for count in (8, 16, 32, 64, 128, 256, 512, 1024)),
        {"fsdp": -1},
    ),
    "H100, copies of one host": (
        tuple(f"h100-{count}" for count in (16, 64, 256, 1024)),
        {"data": -1, "fsdp": 8},
    ),
    "H100, copies of one host, two to a layer": (
        ("h100-64",),
        {"data": -1, "fsdp": 4, "tensor": 2},
    ),
}
TITLES = (
    "devices",
    "data x fsdp x tensor",
    "clips a step",
    "parameters, gradients, optimizer",
    "gathered",
    "activations and batch",
    "together",
    "sent over data",
    "over fsdp",
    "over tensor",
    "arithmetic",
    "messages",
)


def tables() -> Iterator[tuple[str, str]]:
    """Yields a title and a table of plans, in Markdown."""
    experiment = config.load(FILES, BINDINGS).build()
    model = experiment.build_model("meta")
    (stage,) = experiment.training.stages
    shape = stage.shape(experiment.converter.shape)
    local = step_memory(experiment, shape, CLIPS, model)

    @functools.cache
    def passed(tensor: int) -> Passing:
        return passing(model, shape, experiment.sharding, tensor)

    def row(name: str, axes: Mapping[str, int]) -> tuple[str, ...]:
        count, machine = devices(name)
        sizes = Mesh(**{"fsdp": 1, **axes}).sizes(count)
        planned = plan(
            experiment,
            model,
            sizes=sizes,
            local=local,
            passed=passed(sizes["tensor"]),
            examples=CLIPS,
            machine=machine,
        )
        return _row(name, planned)

    for title, (asked, axes) in ASKED.items():
        yield title, report.table(TITLES, [row(name, axes) for name in asked])


def _row(name: str, planned: dict[str, Any]) -> tuple[str, ...]:
    held, sizes, machine = planned["bytes"], planned["mesh"], planned["machine"]
    state = held["parameters"] + held["gradients"] + held["optimizer"]
    clips = planned["examples"] * sizes["data"] * sizes["fsdp"]
    sent = [size(count) if count else "-" for count in planned["sent_bytes"].values()]
    return (
        f"`{name}`",
        " x ".join(map(str, sizes.values())),
        f"{clips:,}",
        size(state),
        size(held["gathered"]),
        size(held["activations"] + held["batch"]),
        f"{planned['total_bytes'] / machine['memory_bytes']:.0%}",
        *sent,
        f"{machine['arithmetic_s']:.2f} s",
        f"{sum(machine['messages_s'].values()):.2f} s",
    )


def main() -> int:
    """Puts the tables into the page; returns the exit code."""
    made = "\n\n".join(f"**{title}**\n\n{table}" for title, table in tables())
    report.put(PAGE, "tools/scaling.py", made)
    return 0


if __name__ == "__main__":
    sys.exit(main())
