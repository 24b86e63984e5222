"""What of an experiment the devices of a mesh can share, and what they cannot.

clips of a batch   pieces for data x fsdp devices, each in as many microbatches
heads              pieces for the tensor devices
rules of one's own each for some parameter
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from mirasol.checkpoint.state import plain_name
from mirasol.checkpoint.tensor_names import nearest_pattern
from mirasol.findings import ExperimentError, Finding
from mirasol.models.mirasol3b import Mirasol
from mirasol.models.transformer import Attention
from mirasol.runtime.sharding import Sharding
from mirasol.spelling import hint

if TYPE_CHECKING:
    from mirasol.experiment import Experiment


def require_shareable(experiment: Experiment, model: Mirasol, sizes: Mapping[str, int]) -> None:
    """Checks that devices can share the batches and the heads, by rules that are for something.

    Args:
      experiment: whose batches.
      model: its model, on any device.
      sizes: of the mesh's axes.

    Raises:
      ExperimentError: with all that they cannot share, and what would do.
    """
    findings = [
        *_batches(experiment, sizes),
        *_heads(model, sizes["tensor"]),
        *_rules(experiment.sharding, model),
    ]
    if findings:
        raise ExperimentError(Finding("", line) for line in findings)


def _batches(experiment: Experiment, sizes: Mapping[str, int]) -> Iterator[str]:
    data, shape = experiment.training, experiment.converter.shape
    parts = experiment.trainer.microbatches
    needed = sizes["data"] * sizes["fsdp"] * parts
    found = {}
    for stage in data.stages:
        owner = "TrainingData" if stage.batch_size is None else "Stage"
        found[owner, stage.size(data.batch_size)] = stage.examples(data.batch_size, shape)
    for (owner, clips), examples in found.items():
        if examples % needed:
            yield (
                f"{owner}.batch_size is {clips}, and a batch of {examples} examples cannot be cut "
                f"into equal pieces for Mesh.data {sizes['data']} x Mesh.fsdp {sizes['fsdp']} x "
                f"Trainer.microbatches {parts}; make it a multiple of {needed} (BATCH_SIZE)"
            )


def _heads(model: Mirasol, tensor: int) -> Iterator[str]:
    heads: dict[int, list[str]] = {}
    for name, module in model.named_modules():
        if isinstance(module, Attention) and module.heads % tensor:
            heads.setdefault(module.heads, []).append(name.partition(".")[0])
    for count, parts in heads.items():
        owners = ", ".join(dict.fromkeys(parts))
        yield (
            f"Mesh.tensor is {tensor}, and does not divide the {count} heads of {owners}; set "
            "their heads (HEADS, VIDEO_HEADS, AUDIO_HEADS, DECODER_HEADS, RECONSTRUCTION_HEADS) "
            f"to multiples of {tensor}, or TENSOR_DEVICES to a divisor of {count}"
        )


def _rules(sharding: Sharding, model: Mirasol) -> Iterator[str]:
    shapes = {plain_name(name): each.shape for name, each in model.named_parameters()}
    for rule in sharding.rules:
        if any(rule.is_for(name, shape) for name, shape in shapes.items()):
            continue
        names = [name for name, shape in shapes.items() if len(shape) == len(rule.axes)]
        near = hint(nearest_pattern(rule.pattern, names))
        yield (
            f"ShardingRule.pattern: no parameter of {len(rule.axes)} dimensions, as many as the "
            f"rule has axes, is called {rule.pattern!r}{near}"
        )
