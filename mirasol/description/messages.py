"""What a device sends in a training step, as rings of devices send it.

    a ring of N, of S bytes that all are to have      each device sends
    gather, or scatter sums over them                 (N - 1) / N x S
    add up in all                                     twice that

As several processes do it (runtime/fully_sharded.py, tensor_parallel.py): on XLA the compiler
decides, which has not been measured.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Iterator, Mapping

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from mirasol.batch import ExampleShape, empty_batch
from mirasol.models.mirasol3b import Mirasol
from mirasol.runtime.fully_sharded import layers
from mirasol.runtime.sharding import Sharding

_GRADIENT = 4  # Bytes of an element: gradients are added up in float32.


@dataclasses.dataclass(frozen=True)
class Lying:
    """How the parameters of a model lie on the devices of a mesh.

    Args:
      model: on any device.
      sharding: its rules.
      sizes: of the mesh's axes.
    """

    model: nn.Module
    sharding: Sharding
    sizes: Mapping[str, int]

    def held(self, trained: bool = False) -> int:
        """Counts the elements of a device; those of trained parameters alone, if asked."""
        named = self.model.named_parameters()
        return sum(self._piece(n, p, True) for n, p in named if p.requires_grad or not trained)

    def gathered(self) -> int:
        """Counts the elements that are whole at a time: the rest, a layer, and the next."""
        *stacks, rest = map(self._whole, self._units())
        return rest + sum(sorted(stacks)[-2:])

    def gathers(self) -> int:
        """Counts the elements that a pass gathers: layers again in its backward part."""
        *stacks, rest = map(self._whole, self._units())
        return rest + 2 * sum(stacks)

    def scattered(self) -> int:
        """Counts the elements of gradients that a pass adds up over fsdp."""
        trained = {n: p for n, p in self.model.named_parameters() if p.requires_grad}
        return self._whole(trained.items())

    def _units(self) -> Iterator[list[tuple[str, nn.Parameter]]]:
        """Yields the parameters of each layer by itself, and then of the rest."""
        names = {parameter: name for name, parameter in self.model.named_parameters()}
        for layer in reversed(layers(self.model)):  # What is inside another one first.
            yield [(names.pop(p), p) for p in list(layer.parameters()) if p in names]
        yield [(name, parameter) for parameter, name in names.items()]

    def _whole(self, parameters: Iterable[tuple[str, nn.Parameter]]) -> int:
        return sum(self._piece(name, parameter, False) for name, parameter in parameters)

    def _piece(self, name: str, parameter: nn.Parameter, over_fsdp: bool) -> int:
        axes = self.sharding.axes(name, parameter.shape, self.sizes)
        cut = {"tensor", "fsdp"} if over_fsdp else {"tensor"}
        return math.prod(
            size // self.sizes[axis] if axis in cut and axis is not None else size
            for size, axis in zip(parameter.shape, axes, strict=True)
        )


@dataclasses.dataclass(frozen=True)
class Passing:
    """What forward and backward of one example do.

    Attributes:
      operations: of matrix products and attention.
      added_up: elements that the tensor devices add up in all: outputs of maps that each has a
        part of, and gradients of the inputs of those before them.
      gathered: elements that they gather: gradients of keys and values.
    """

    operations: int
    added_up: int
    gathered: int


def passing(model: Mirasol, shape: ExampleShape, sharding: Sharding, tensor: int) -> Passing:
    """Goes through forward and backward of one example.

    Args:
      model: on the meta device; its gradients are dropped.
      shape: of the example.
      sharding: says which layers are shared.
      tensor: devices that share them.
    """
    counts = {"out": 0, "in": 0, "keys": 0}
    forward = True

    def count(module: nn.Module, inputs: tuple[torch.Tensor], output: torch.Tensor) -> None:
        kind = kinds[module]
        if kind == "out":  # Again where activations are computed again.
            counts[kind] += output.numel()
        elif forward:
            counts[kind] += (inputs[0] if kind == "in" else output).numel()

    kinds = _shared(model, sharding, tensor)
    hooks = [module.register_forward_hook(count) for module in kinds]
    with FlopCounterMode(display=False) as counter:
        loss = model(empty_batch(shape, 1, "meta"))["loss"]
        forward = False
        loss.backward()
    for hook in hooks:
        hook.remove()
    model.zero_grad()
    return Passing(counter.get_total_flops(), counts["out"] + counts["in"], counts["keys"])


def _shared(model: nn.Module, sharding: Sharding, tensor: int) -> dict[nn.Module, str]:
    """Returns the linear maps of layers that devices share, and what of each they send."""
    sizes = {"data": 1, "fsdp": 1, "tensor": tensor}
    found: dict[nn.Module, str] = {}
    for name, module in model.named_modules():
        if not isinstance(module, nn.Linear):
            continue
        axes = sharding.axes(f"{name}.weight", module.weight.shape, sizes)
        if "tensor" not in axes:
            continue
        found[module] = "in" if axes.index("tensor") == 0 else "out"
        parent, _, own = name.rpartition(".")
        if own == "query":
            found[model.get_submodule(f"{parent}.key_value")] = "keys"
    return found


def sent(
    lying: Lying, passed: Passing, examples: int, microbatches: int, width: int
) -> dict[str, float]:
    """Returns the bytes that a device sends in a step, by the axis of the mesh.

    Args:
      lying: of the parameters.
      passed: of one example.
      examples: of a device.
      microbatches: parts of the step; each gathers parameters and adds up gradients.
      width: bytes of an element of parameters that travel, and of activations.
    """
    ring = {axis: (size - 1) / size for axis, size in lying.sizes.items()}
    parameters = lying.gathers() * width + lying.scattered() * _GRADIENT
    gradients = 2 * lying.held(trained=True) * _GRADIENT
    activations = (2 * passed.added_up + passed.gathered) * width
    return {
        "data": ring["data"] * gradients * microbatches,
        "fsdp": ring["fsdp"] * parameters * microbatches,
        "tensor": ring["tensor"] * activations * examples,
    }
