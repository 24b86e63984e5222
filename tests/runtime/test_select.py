"""Names of runtimes, and what is said where one cannot be had."""

import importlib.util
import subprocess
import sys
import types

import pytest
import torch

from mirasol.runtime import xla
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
    monkeypatch.setattr(xla, "XlaRuntime", lambda precision: opened.append(precision))
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


def test_an_unknown_pjrt_device_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    monkeypatch.setenv("PJRT_DEVICE", "CUDA")
    with pytest.raises(ValueError, match=r"takes CPU or TPU in .* not 'CUDA'"):
        open_runtime("xla")


def test_importing_runtimes_imports_no_torch_xla_and_names_not_even_torch() -> None:
    code = (
        "import sys, mirasol.runtime.select; assert 'torch' not in sys.modules;"
        "from mirasol.runtime import base, cpu, cuda, xla;"
        "assert not {'torch_xla', 'tensorflow', 'jax'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
