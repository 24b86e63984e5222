"""Finds a TPU and loads torch_xla, when the xla runtime is opened and not before.

The import takes 3 s, changes torch's and Python's settings, and must come before TensorFlow in a
process or not at all.
"""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import os
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from mirasol.runtime import xla_cuda
from mirasol.spelling import nearest

PJRT_DEVICES = ("CPU", "TPU", "CUDA")

# PCI vendor, and device ids with their versions. Google's network cards share the vendor, so the
# vendor alone does not tell a TPU.
GOOGLE_VENDOR = "0x1ae0"
TPU_DEVICES = {
    "0x0027": "v2 or v3",
    "0x005e": "v4",
    "0x0063": "v5e",
    "0x006f": "v6e",
    "0x0062": "v5p",
}


def tpu_is_here() -> bool:
    """Tells whether XLA would compute on a TPU, without importing torch_xla."""
    if "PJRT_DEVICE" in os.environ:
        return os.environ["PJRT_DEVICE"] == "TPU"
    return bool(tpu_version())


def tpu_version() -> str:
    """Returns the version of this machine's TPU, such as "v5e"; "" where there is none."""
    cards = Path("/sys/bus/pci/devices").glob("*")
    ids = (_pci_id(card, "device") for card in cards if _pci_id(card, "vendor") == GOOGLE_VENDOR)
    return next((TPU_DEVICES[each] for each in ids if each in TPU_DEVICES), "")


def _pci_id(card: Path, name: str) -> str:
    try:
        return (card / name).read_text().strip()
    except OSError:
        return ""


def import_torch_xla() -> Any:
    """Returns the module torch_xla, set to a TPU if there is one and to the CPU otherwise.

    Raises:
      ValueError: it is missing or does not load, TensorFlow came first, or PJRT_DEVICE names a
        kind of device that it does not drive, or CUDA, and plugin or driver are missing.
    """
    if "torch_xla" not in sys.modules and "tensorflow" in sys.modules:
        raise ValueError(
            "runtime 'xla' cannot open: TensorFlow is already imported in this process, and "
            "loading torch_xla after it aborts in LLVM; open the runtime first, or use TensorFlow "
            "in another process"
        )
    if importlib.util.find_spec("torch_xla") is None:
        raise ValueError(
            "runtime 'xla' needs torch_xla, which is not installed: pip install 'mirasol[xla]', "
            "or use --runtime=cpu or --runtime=cuda"
        )
    kind = os.environ.setdefault("PJRT_DEVICE", "TPU" if tpu_is_here() else "CPU")
    if kind not in PJRT_DEVICES:
        raise ValueError(
            f"runtime 'xla' takes {', '.join(PJRT_DEVICES)} in the environment variable "
            f"PJRT_DEVICE, not {kind!r}{nearest(kind, PJRT_DEVICES)}"
        )
    if kind == "CPU":
        _give_devices_threads()
    cuda = xla_cuda.plugin_file() if kind == "CUDA" else None
    try:
        with _import_side_effects_undone():
            import torch_xla
    except ImportError as error:
        raise ValueError(
            f"runtime 'xla' cannot load torch_xla with torch {torch.__version__} ({error}): "
            "torch_xla 2.9 loads with torch 2.9 alone; pip install 'mirasol[xla]'"
        ) from error
    if cuda is not None:
        xla_cuda.register(cuda)
    return torch_xla


def _give_devices_threads() -> None:
    """Sets XLA's threads on the CPU to enough for all its devices to wait in.

    They wait for each other in the threads of one pool, by default as many as there are cores: on
    two, four devices in two collectives at once filled it, and XLA ended the process after 10 s.
    """
    devices = os.environ.get("CPU_NUM_DEVICES", "1")
    if devices.isdigit() and int(devices) > 1:
        os.environ.setdefault("NPROC", str(max(os.cpu_count() or 1, 8 * int(devices))))


@contextlib.contextmanager
def _import_side_effects_undone() -> Iterator[None]:
    """Keeps the import of torch_xla from warning about TensorFlow and from setting up logging.

    The warning is about TensorFlow being installed. Mirasol keeps it out of this process.
    """
    handlers = list(logging.root.handlers)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="`tensorflow` can conflict with `torch-xla`")
        yield
    logging.root.handlers[:] = handlers
