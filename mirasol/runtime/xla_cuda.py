"""XLA on NVIDIA GPUs: torch_xla with JAX's CUDA plugin. Experimental: it has run on no GPU.

    PJRT_DEVICE=CUDA python -m mirasol train --runtime=xla ...

torch_xla 2.9 has no CUDA of its own, and takes any plugin that speaks PJRT, a C interface.
"""

from __future__ import annotations

import ctypes
import importlib.util
from pathlib import Path
from typing import Any

from absl import logging

_PACKAGE = "jax_plugins.xla_cuda12"
_DRIVER = "libcuda.so.1"
_ELSE = "use --runtime=cuda, which needs no XLA, or PJRT_DEVICE=CPU"


def plugin_file() -> Path:
    """Returns the plugin that is installed, where there is a driver for it.

    Raises:
      ValueError: the plugin or the driver is missing.
    """
    try:
        found = importlib.util.find_spec(_PACKAGE)
    except ModuleNotFoundError:  # Not even jax_plugins.
        found = None
    files = [
        file
        for folder in (found and found.submodule_search_locations) or ()
        for file in Path(folder).glob("*_plugin.so")
    ]
    if not files:
        raise ValueError(
            "PJRT_DEVICE=CUDA needs JAX's CUDA plugin, which is not installed: "
            f"pip install 'mirasol[xla-cuda]', or {_ELSE}"
        )
    try:
        ctypes.CDLL(_DRIVER)
    except OSError as error:
        raise ValueError(
            f"PJRT_DEVICE=CUDA needs an NVIDIA driver, which is not here ({error}): {_ELSE}"
        ) from error
    return files[0]


def register(file: Path) -> None:
    """Has torch_xla, which is imported already, open its devices through the plugin.

    Raises:
      ValueError: it finds no device, or does not load.
    """
    import torch_xla.runtime as xr
    from torch_xla.experimental import plugins

    class Plugin(plugins.DevicePlugin):
        """All GPUs that CUDA_VISIBLE_DEVICES shows, in this process."""

        def library_path(self) -> str:
            """Returns where the plugin is."""
            return str(file)

        def client_create_options(self) -> dict[str, Any]:
            """Returns none: the plugin's own defaults."""
            return {}

    plugins.use_dynamic_plugins()
    plugins.register_plugin("CUDA", Plugin())
    try:
        xr.global_runtime_device_count()
    except RuntimeError as error:
        raise ValueError(f"PJRT_DEVICE=CUDA finds no GPU ({error}): {_ELSE}") from error
    logging.warning("XLA on CUDA is experimental: it has not been tried on any GPU")
