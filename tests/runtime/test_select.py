"""Names of runtimes, and what is said where one cannot be had."""

import importlib.util
import subprocess
import sys
import types
from pathlib import Path

import pytest
import torch

from mirasol.runtime import xla, xla_cuda
from mirasol.runtime.select import RUNTIMES, open_runtime


def test_the_names() -> None:
    assert RUNTIMES == ("auto", "cpu", "cuda", "xla")


@pytest.mark.parametrize(
    ("name", "close"), [("cdua", "cuda"), ("xal", "xla"), ("CPU", "cpu"), ("tpu-pod", "")]
)
def test_an_unknown_name_is_refused_with_the_nearest(name: str, close: str) -> None:
    with pytest.raises(ValueError, match=f"no runtime '{name}' .*auto, cpu, cuda, xla") as error:
        open_runtime(name)
    assert str(error.value).endswith(f"did you mean '{close}'?" if close else "xla)")


def test_an_unknown_precision_is_refused_with_the_nearest() -> None:
    with pytest.raises(ValueError, match=r"no precision 'bfloat61'.*did you mean 'bfloat16'"):
        open_runtime("cpu", "bfloat61")


def test_auto_is_the_cpu_where_there_is_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PJRT_DEVICE", "CPU")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert open_runtime("auto").name == "cpu"


def test_auto_is_xla_where_a_tpu_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PJRT_DEVICE", "TPU")
    opened = []
    monkeypatch.setattr(xla, "XlaRuntime", lambda precision, sharding: opened.append(precision))
    open_runtime("auto", "bfloat16")
    assert opened == ["bfloat16"]


def test_cuda_without_a_device_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match=r"'cuda' is not available.*use --runtime=cpu"):
        open_runtime("cuda")


def test_xla_after_tensorflow_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorflow", types.ModuleType("tensorflow"))
    with pytest.raises(ValueError, match="TensorFlow is already imported"):
        open_runtime("xla")


def test_xla_that_is_not_installed_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"not installed: pip install 'mirasol\[xla\]'"):
        open_runtime("xla")


@pytest.fixture
def with_torch_xla(monkeypatch: pytest.MonkeyPatch) -> None:
    """torch_xla can be found; nothing else that is looked for can."""
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)
    spec = object()
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: spec if name == "torch_xla" else None
    )


@pytest.mark.usefixtures("with_torch_xla")
def test_an_unknown_pjrt_device_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PJRT_DEVICE", "CUDAA")
    with pytest.raises(ValueError, match=r"takes CPU, TPU, CUDA in .* not 'CUDAA'.*mean 'CUDA'"):
        open_runtime("xla")


@pytest.mark.usefixtures("with_torch_xla")
def test_xla_on_cuda_without_the_plugin_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PJRT_DEVICE", "CUDA")
    with pytest.raises(
        ValueError, match=r"pip install 'mirasol\[xla-cuda\]', or use --runtime=cuda"
    ):
        open_runtime("xla")


def test_xla_on_cuda_without_a_driver_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    plugin = tmp_path / "xla_cuda_plugin.so"
    plugin.touch()
    found = types.SimpleNamespace(submodule_search_locations=[str(tmp_path)])
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: found)
    monkeypatch.setattr(xla_cuda, "_DRIVER", "libof_no_driver.so.1")
    with pytest.raises(ValueError, match=r"needs an NVIDIA driver.*use --runtime=cuda"):
        xla_cuda.plugin_file()
    monkeypatch.setattr(xla_cuda, "_DRIVER", None)  # The process itself, which always loads.
    assert xla_cuda.plugin_file() == plugin


def test_importing_runtimes_imports_no_torch_xla_and_names_not_even_torch() -> None:
    code = (
        "import sys, mirasol.runtime.select; assert 'torch' not in sys.modules;"
        "from mirasol.runtime import base, cpu, cuda, xla;"
        "assert not {'torch_xla', 'tensorflow', 'jax'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
