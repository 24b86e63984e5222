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

from mirasol.spelling import nearest

PJRT_DEVICES = ("CPU", "TPU")

# PCI vendor and device ids of TPU v2/v3, v4, v5e, v6e and v5p. Google's network cards share the
# vendor, so the vendor alone does not tell a TPU.
GOOGLE_VENDOR = "0x1ae0"
TPU_DEVICES = {"0x0027", "0x005e", "0x0063", "0x006f", "0x0062"}


def tpu_is_here() -> bool:
    """Tells whether XLA would compute on a TPU, without importing torch_xla."""
    if "PJRT_DEVICE" in os.environ:
        return os.environ["PJRT_DEVICE"] == "TPU"
    cards = Path("/sys/bus/pci/devices").glob("*")
    return any(
        _pci_id(card, "vendor") == GOOGLE_VENDOR and _pci_id(card, "device") in TPU_DEVICES
        for card in cards
    )


def _pci_id(card: Path, name: str) -> str:
    try:
        return (card / name).read_text().strip()
    except OSError:
        return ""


def import_torch_xla() -> Any:
    """Returns the module torch_xla, set to a TPU if there is one and to the CPU otherwise.

    Raises:
      ValueError: it is missing or does not load, TensorFlow came first, or PJRT_DEVICE names a
        kind of device that it does not drive.
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
            f"runtime 'xla' takes {' or '.join(PJRT_DEVICES)} in the environment variable "
            f"PJRT_DEVICE, not {kind!r}{nearest(kind, PJRT_DEVICES)}"
        )
    try:
        with _import_side_effects_undone():
            import torch_xla
    except ImportError as error:
        raise ValueError(
            f"runtime 'xla' cannot load torch_xla with torch {torch.__version__} ({error}): "
            "torch_xla 2.9 loads with torch 2.9 alone; pip install 'mirasol[xla]'"
        ) from error
    return torch_xla


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
