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
from pathlib import Path
from typing import Any, Literal, ParamSpec, TypeVar

import torch

from mirasol.batch import Batch
from mirasol.runtime.mesh import AXES
from mirasol.runtime.talk import Agreed, NoTalk, Talk, Value
from mirasol.spelling import nearest

Precision = Literal["float32", "bfloat16"]
PRECISIONS: dict[str, torch.dtype] = {"float32": torch.float32, "bfloat16": torch.bfloat16}

Total = Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]]
"""Adds scalars up, by name."""
Fetch = Callable[[Mapping[str, torch.Tensor]], dict[str, torch.Tensor]]
"""Returns copies on the host, by name."""

Inputs = ParamSpec("Inputs")
Output = TypeVar("Output")
Model = TypeVar("Model", bound=torch.nn.Module)
State = TypeVar("State")


class Runtime(abc.ABC):
    """One way of computing steps: a device, its compiler and its random numbers.

    How a training step uses it:

        runtime = open_runtime("auto")
        model = runtime.place(model)
        runtime.lay_out(moments of the optimizer)
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

    @property
    def mesh(self) -> dict[str, int]:
        """How many devices each axis of the mesh has; see mesh.py."""
        return dict.fromkeys(AXES, 1)

    @property
    def share(self) -> tuple[int, int]:
        """Which part of every batch this process reads: (0, 1) is all of it, (1, 4) the second."""
        return 0, 1

    @property
    def answering(self) -> tuple[int, int]:
        """Which of the batches of an evaluation this process answers, as `share` has it.

        (0, 1), all of them, where its devices can compute only together with those of others: they
        all answer the same.
        """
        return self.share

    @property
    def talk(self) -> Talk:
        """What the processes of the run tell one another; see talk.py."""
        return NoTalk()

    @property
    def leads(self) -> bool:
        """Whether this process writes logs and results, for all processes of the run."""
        return self.talk.leads

    @property
    def fetch(self) -> Fetch | None:
        """Copies tensors to the host, where `tensor.cpu()` would not do; None where it does."""
        return None

    @property
    def total(self) -> Total | None:
        """Adds scalars up over the processes that read other parts of a batch.

        None where this process reads all of it. See `training.step.train_step`.
        """
        return None

    @property
    def agreed(self) -> Agreed | None:
        """The largest of the numbers that the processes of the run give; None: there is but one."""
        return self.talk.agreed

    def largest(self, scalar: torch.Tensor) -> torch.Tensor:
        """Returns the largest of the scalars on the device that the processes of the run give.

        They must all call it, in the same place of a step.
        """
        return scalar

    def decided(self, decide: Callable[[], Value]) -> Value:
        """Returns what the process that leads decides, in all processes of the run.

        They must all call it. Where the decision fails, it fails in all.
        """
        return self.talk.decided(decide)

    def gathered(self, value: Value) -> list[Value]:
        """Returns what each process of the run gives, in their order. They must all call it."""
        return self.talk.gathered(value)

    def whole(self, model: torch.nn.Module) -> AbstractContextManager:
        """Returns a context in which answering takes no other process to take part.

        Where processes have pieces of the model each then has all of it. They must all enter and
        leave it, and train outside of it alone.
        """
        return contextlib.nullcontext()

    @abc.abstractmethod
    def place(self, model: Model) -> Model:
        """Moves the model to its device or devices, in place, and returns it.

        Build it on the CPU under `torch.manual_seed`, so that every runtime starts alike; place
        it before the optimizer is built, which holds on to the parameters.
        """

    def lay_out(self, state: Mapping[str, Any]) -> None:
        """Has tensors that are made of parameters lie as these do: moments, a running mean.

        Call it when they are made, before the first step. By default they do so anyway.

        Args:
          state: by the name of the parameter, a tensor or nested dicts of tensors.
        """
        return

    @abc.abstractmethod
    def transfer(self, batch: Batch) -> Batch:
        """Returns the batch on the device; the copy may still be under way.

        Args:
          batch: this process's `share` of one.
        """

    def transfer_same(self, batch: Batch) -> Batch:
        """Returns a batch that was dealt out by `answering` on the device, as `transfer` does."""
        return self.transfer(batch)

    @abc.abstractmethod
    def compile(
        self, function: Callable[Inputs, Output], shapes: int = 1
    ) -> Callable[Inputs, Output]:
        """Returns the function compiled; its results may still be under way when it returns.

        The function must do the same work for every call: fixed shapes, no reading of tensor
        values (`.item()`, `if tensor`), and whatever changes from call to call (a learning rate,
        a position) as a tensor, not a number. Call `compile` once per function, not per step.

        Args:
          function: of batches and tensors.
          shapes: how many different shapes its inputs may have. Where something is compiled, one
            more is a ValueError that names the tensor (signatures.py).
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
    def trace(self, folder: Path) -> AbstractContextManager[None]:
        """Writes a trace of what the block does into a folder; see runtime/tracing.py."""

    @abc.abstractmethod
    def peak_memory(self) -> int | None:
        """Returns the most bytes of the device that were in use so far; None where not known."""

    @abc.abstractmethod
    def peak_flops(self) -> float | None:
        """Returns the operations a second that the device can do; None where not known.

        In the run's precision; see runtime/peaks.py.
        """

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
