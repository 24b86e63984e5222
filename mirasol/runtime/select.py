"""Opens a runtime by name. Importing this file imports neither torch nor torch_xla."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from mirasol.spelling import hint, nearest

if TYPE_CHECKING:
    from mirasol.runtime.base import Runtime
    from mirasol.runtime.sharding import Sharding

RUNTIMES = ("auto", "cpu", "cuda", "xla")
# What people call them by their device.
_DEVICES = {"gpu": "cuda", "tpu": "xla"}


def open_runtime(
    name: str, precision: str = "float32", sharding: Sharding | None = None
) -> Runtime:
    """Opens the named runtime.

    Open it before the process's first `backward()`, which fixes the devices that autograd knows,
    and before anything imports TensorFlow: after either, XLA does not work.

    Args:
      name: one of RUNTIMES; "auto" is "xla" where a TPU is (PJRT_DEVICE=TPU says so), else
        "cuda" where torch sees a GPU, else "cpu".
      precision: of the matrix products under `Runtime.autocast`, "float32" or "bfloat16".
      sharding: how a run lies on several devices; None: the default of `Sharding`.

    Raises:
      ValueError: an unknown name or precision, a runtime that is not available here, or a mesh that
        the devices here do not make.
    """
    require_runtime(name)
    return _open(_best_here() if name == "auto" else name, precision, sharding)


def require_runtime(name: str) -> None:
    """Raises ValueError unless the name is one of RUNTIMES; whether it is here is not asked."""
    if name not in RUNTIMES:
        meant = hint(_DEVICES[name]) if name in _DEVICES else nearest(name, RUNTIMES)
        raise ValueError(f"no runtime {name!r} (--runtime takes {', '.join(RUNTIMES)}){meant}")


def _best_here() -> str:
    import torch

    from mirasol.runtime.torch_xla_import import tpu_is_here

    if tpu_is_here():
        return "xla"
    return "cuda" if torch.cuda.is_available() else "cpu"


def _open(name: str, precision: str, sharding: Sharding | None) -> Runtime:
    from mirasol.runtime.cpu import CpuRuntime
    from mirasol.runtime.cuda import CudaRuntime
    from mirasol.runtime.sharding import WHOLE
    from mirasol.runtime.xla import XlaRuntime

    openers: dict[str, Callable[[str, Sharding], Runtime]] = {
        "cpu": CpuRuntime,
        "cuda": CudaRuntime,
        "xla": XlaRuntime,
    }
    return openers[name](precision, WHOLE if sharding is None else sharding)
