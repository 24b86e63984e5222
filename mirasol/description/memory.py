"""The memory of a training step, from a step that is gone through without memory.

Tensors without values (torch's meta device) are made and dropped as those of a step on the CPU
are, so the highest sum of their sizes is what the step needs. Attention is told which kernel to
stand for: left alone, it would keep its probabilities, which no fused kernel does.

Not in it: what a kernel takes for itself while it runs, and what an allocator loses to gaps. A GPU
runs other kernels of attention, which keep as little; a compiler keeps less.
"""

from __future__ import annotations

import contextlib
import dataclasses
import weakref
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from mirasol.batch import Batch, ExampleShape, empty_batch
from mirasol.description.parts import OTHER, following
from mirasol.experiment import Experiment
from mirasol.models.mirasol3b import Mirasol
from mirasol.runtime.base import autocast, precision_dtype


@dataclasses.dataclass(frozen=True)
class StepMemory:
    """Bytes of a training step.

    Attributes:
      parameters: of the model.
      gradients: one a parameter that is trained.
      optimizer: its state.
      average: of the parameters, if one is kept.
      batch: the tensors of the batch.
      activations: part -> what it has made that is there when the sum of all is highest, beyond
        the other five; parts in order of work.
    """

    parameters: int
    gradients: int
    optimizer: int
    average: int
    batch: int
    activations: Mapping[str, int]

    @property
    def peak(self) -> int:
        """Activations of all parts at the peak."""
        return sum(self.activations.values())


class Allocations(TorchDispatchMode):
    """Follows the memory that operations take, by the part at work; for use in a `with`.

    Attributes:
      peak: part -> bytes when their sum was highest.
    """

    def __init__(self, before: Iterable[torch.Tensor]):
        """Takes the tensors that are there already and do not count."""
        super().__init__()
        self.peak: Counter[str] = Counter()
        self._part = OTHER
        self._live: Counter[str] = Counter()
        self._highest = 0
        self._known = {_key(tensor.untyped_storage()) for tensor in before}

    def at_work(self, part: str) -> None:
        """Counts what comes with this part."""
        self._part = part

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        """Runs the operation, and counts storages that have not been there."""
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, torch.Tensor):
                self._count(leaf.untyped_storage())
        total = self._live.total()
        if total > self._highest:
            self._highest, self.peak = total, self._live.copy()
        return result

    def _count(self, storage: torch.UntypedStorage) -> None:
        key, size = _key(storage), storage.nbytes()
        if key in self._known:
            return
        self._known.add(key)
        self._live[self._part] += size
        weakref.finalize(storage, self._drop, key, size, self._part)

    def _drop(self, key: int, size: int, part: str) -> None:
        self._known.discard(key)
        self._live[part] -= size


def step_memory(
    experiment: Experiment, shape: ExampleShape, examples: int, model: Mirasol | None = None
) -> StepMemory:
    """Returns the memory of a training step on the CPU in the experiment's precision.

    Args:
      experiment: of it, the model, the optimizer and the precision.
      shape: of an example.
      examples: in the batch, B.
      model: of the experiment, on the meta device, where there is one already.
    """
    dtype = precision_dtype(experiment.precision)
    with _without_memory(dtype) as device:
        if model is None or device != "meta":
            model = experiment.build_model(device)
        model.train()
        batch = empty_batch(shape, examples, device)
        # There from the start, as they are when all of a backward pass is done: what is born in
        # their place on the way is at most this.
        for parameter in filter(lambda each: each.requires_grad, model.parameters()):
            parameter.grad = torch.zeros_like(parameter)
        activations = _highest(model, batch, dtype)
    trainer = experiment.trainer
    with _Consent():
        optimizer = trainer.optimizer.build(model, {}, trainer.rules)
    return StepMemory(
        parameters=_size(model.parameters()),
        gradients=_size(p.grad for p in model.parameters() if p.grad is not None),
        optimizer=_size(_tensors(optimizer.state_dict())),
        average=_size(trainer.average(model).tensors.values()),
        batch=_size(_tensors(vars(batch))),
        activations=activations,
    )


@contextlib.contextmanager
def _without_memory(dtype: torch.dtype) -> Iterator[str]:
    """Yields a device for tensors without values, on which a step is that of a CPU.

    Autocast does not reach the meta device; torch's fake tensors stand for ones on the CPU in
    everything, and take ten times as long.
    """
    if dtype == torch.float32:
        with _FusedAttention():
            yield "meta"
    else:
        with FakeTensorMode():
            yield "cpu"


class _FusedAttention(TorchFunctionMode):
    """Puts the CPU's kernel of attention in the place of attention, as the CPU itself does."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func is functional.scaled_dot_product_attention:
            return _fused(*args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))


def _fused(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attn_mask: torch.Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
) -> torch.Tensor:
    if attn_mask is not None and attn_mask.dtype == torch.bool:
        lowest = torch.full((), -torch.inf, dtype=query.dtype, device=query.device)
        attn_mask = torch.where(attn_mask, 0.0, lowest)
    kernel = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
    return kernel(query, key, value, dropout_p, is_causal, attn_mask=attn_mask)[0]


class _Consent(TorchDispatchMode):
    """Says yes where a value is asked for: a new optimizer asks whether its rate is a legal one."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func is torch.ops.aten._local_scalar_dense.default:
            return True
        return func(*args, **(kwargs or {}))


def _highest(model: Mirasol, batch: Batch, dtype: torch.dtype) -> Counter[str]:
    before = [*_tensors(vars(batch)), *model.buffers()]
    for parameter in model.parameters():
        before += [parameter, parameter.grad] if parameter.grad is not None else [parameter]
    with Allocations(before) as allocations:
        with following(model, allocations.at_work), autocast(torch.device("cpu"), dtype):
            loss = model(batch)["loss"]
        # Not `loss.backward()`: a mode for functions would handle that one, and no attention in it.
        torch.autograd.backward(loss)
    return allocations.peak


def _tensors(state: Any) -> list[torch.Tensor]:
    return [leaf for leaf in tree_leaves(state) if isinstance(leaf, torch.Tensor)]


def _size(tensors: Iterable[torch.Tensor]) -> int:
    return sum(tensor.untyped_storage().nbytes() for tensor in tensors)


def _key(storage: torch.UntypedStorage) -> int:
    return storage._cdata
