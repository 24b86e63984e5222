"""The interface between the training code and the machine it runs on.

The step, the loop and the evaluator are written once against `Runtime`; a device is one more
file beside this one. Models never see a runtime: what they need of one (a device, a compiled
function) is handed to them.
"""

from __future__ import annotations

import abc
import contextlib
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any, Literal, ParamSpec, TypeVar

import torch

from mirasol.batch import Batch
from mirasol.spelling import nearest

Precision = Literal["float32", "bfloat16"]
PRECISIONS: dict[str, torch.dtype] = {"float32": torch.float32, "bfloat16": torch.bfloat16}

Inputs = ParamSpec("Inputs")
Output = TypeVar("Output")
Model = TypeVar("Model", bound=torch.nn.Module)
State = TypeVar("State")


class Runtime(abc.ABC):
    """One way of computing steps: a device, its compiler and its random numbers.

    How a training step uses it:

        runtime = open_runtime("auto")
        model = runtime.place(model)
        step = runtime.compile(step)              # once
        for seed, batch in ...:
            runtime.seed(seed)                    # so no random state needs a checkpoint
            losses = step(runtime.transfer(batch))
            runtime.end_step()
            print(runtime.scalars(losses))        # the only wait; not every step
    """

    @property
    @abc.abstractmethod
    def name(self) -> str:
        """The name in `open_runtime`, such as "cpu"."""

    @property
    @abc.abstractmethod
    def device(self) -> torch.device:
        """The device that holds parameters, optimizer state and batches."""

    @abc.abstractmethod
    def place(self, model: Model) -> Model:
        """Moves the model to the device, in place, and returns it.

        Build it on the CPU under `torch.manual_seed`, so that every runtime starts alike; place
        it before the optimizer is built, which holds on to the parameters.
        """

    @abc.abstractmethod
    def transfer(self, batch: Batch) -> Batch:
        """Returns the batch on the device; the copy may still be under way."""

    @abc.abstractmethod
    def compile(self, function: Callable[Inputs, Output]) -> Callable[Inputs, Output]:
        """Returns the function compiled; its results may still be under way when it returns.

        The function must do the same work for every call: fixed shapes, no reading of tensor
        values (`.item()`, `if tensor`), and whatever changes from call to call (a learning rate,
        a position) as a tensor, not a number. Call `compile` once per function, not per step.
        """

    @abc.abstractmethod
    def seed(self, seed: int) -> None:
        """Makes all following random numbers a function of `seed`, 0 <= seed < 2**63.

        Called before every step with the step's own seed. Each runtime has numbers of its own:
        a seed gives other dropout masks on "xla" than on "cpu".
        """

    @abc.abstractmethod
    def autocast(self) -> AbstractContextManager:
        """Returns the context of the forward pass: matrix products in the run's precision."""

    @abc.abstractmethod
    def optimizer_options(self) -> dict[str, Any]:
        """Returns the keyword arguments that make torch.optim.AdamW right and fast here."""

    @abc.abstractmethod
    def end_step(self) -> None:
        """Starts whatever the step has left to do; does not wait for it."""

    @abc.abstractmethod
    def scalars(self, values: Mapping[str, torch.Tensor]) -> dict[str, float]:
        """Waits for 0-d tensors on the device and returns them as numbers, in one transfer."""

    @abc.abstractmethod
    def to_host(self, state: State) -> State:
        """Returns nested dicts and lists with every tensor copied to the CPU.

        Later steps do not change the copies. Their way back is `load_state_dict`, or copying into
        the tensors in place, and then `settle`.
        """

    @abc.abstractmethod
    def settle(self, state: Any) -> None:
        """Makes tensors on the device like any others after host values were copied into them.

        Call it once after a restore, with the nested dicts that were restored.
        """

    @abc.abstractmethod
    def compiled_graphs(self) -> int:
        """Returns how many graphs this process has compiled so far; 0 where nothing compiles."""

    @abc.abstractmethod
    def describe(self) -> str:
        """Returns one line for the log: name, device, precision, versions."""


def precision_dtype(precision: str) -> torch.dtype:
    """Returns the dtype of matrix products under `Runtime.autocast`.

    Parameters, optimizer state and losses stay float32 either way.

    Raises:
      ValueError: not one of PRECISIONS.
    """
    if precision not in PRECISIONS:
        raise ValueError(
            f"no precision {precision!r} (there are {', '.join(PRECISIONS)})"
            f"{nearest(precision, PRECISIONS)}"
        )
    return PRECISIONS[precision]


def autocast(device: torch.device, dtype: torch.dtype) -> AbstractContextManager:
    """Returns torch's autocast to `dtype`, or a context that does nothing for float32."""
    if dtype == torch.float32:
        return contextlib.nullcontext()
    return torch.autocast(device.type, dtype)


def map_tensors(function: Callable[[torch.Tensor], torch.Tensor], state: State) -> State:
    """Returns nested dicts, lists and tuples with `function` applied to every tensor."""
    return torch.utils._pytree.tree_map_only(torch.Tensor, function, state)
