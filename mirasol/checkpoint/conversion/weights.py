"""Weights as Hugging Face's tools write them: safetensors, whole or in shards, beside config.json.

folder/
  config.json                        model_type, and the sizes that differ from the type's own
  preprocessor_config.json           mean and deviation of pixels; may be absent, or be
  processor_config.json              {"image_processor": the same}
  model.safetensors                  or
  model.safetensors.index.json       {"weight_map": {"name": "model-00001-of-00002.safetensors"}}

No pickle is ever loaded.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from mirasol.spelling import closest, hint, nearest

_WHOLE, _INDEX = "model.safetensors", "model.safetensors.index.json"
# Of other dtypes, a tensor is one of several that are to be multiplied: it is quantised.
_DTYPES = (torch.float32, torch.float16, torch.bfloat16, torch.float64)


class Weights:
    """The tensors of one model by name, and which of them were taken.

    Args:
      source: a folder as above, or a .safetensors file, whose config.json lies beside it.

    Attributes:
      config: of config.json; empty where there is none.
      preprocessor: of preprocessor_config.json, or of its section; empty where there is none.
      metadata: the texts in the header of the file, or of the first shard.

    Raises:
      ValueError: there are no such weights, or they cannot be read.
    """

    def __init__(self, source: Path):
        self.source = source
        self._files = _files(source)
        folder = source if source.is_dir() else source.parent
        self.config = _json(folder / "config.json")
        self.preprocessor = _json(folder / "preprocessor_config.json") or _json(
            folder / "processor_config.json"
        ).get("image_processor", {})
        self.metadata: dict[str, str] = {}
        self._home: dict[str, Any] = {}
        for path in self._files:
            opened = _opened(path)
            self.metadata = self.metadata or opened.metadata() or {}
            self._home.update(dict.fromkeys(opened.keys(), opened))
        self._taken: set[str] = set()

    @property
    def names(self) -> list[str]:
        """The names of all tensors, sorted."""
        return sorted(self._home)

    @property
    def left(self) -> list[str]:
        """The names of those that nobody took."""
        return [name for name in self.names if name not in self._taken]

    def root(self, suffix: str) -> str:
        """Returns what stands before `suffix` in the one name that ends in it: "vit.", or "".

        Raises:
          ValueError: there is no such tensor, or there are several.
        """
        found = [name for name in self.names if f".{name}".endswith(f".{suffix}")]
        if len(found) != 1:
            what = f"{len(found)} ({', '.join(found)})" if found else "none"
            raise ValueError(
                f"{self.source}: exactly one tensor's name must end in {suffix!r}, and there is "
                f"{what}{nearest(suffix, self.names)}"
            )
        return found[0].removesuffix(suffix)

    def has(self, name: str) -> bool:
        """Returns whether there is a tensor of that name."""
        return name in self._home

    def take(self, name: str, *shape: int) -> torch.Tensor:
        """Reads a tensor, as float32, and marks it as taken.

        Args:
          name: of the tensor.
          shape: what config.json says that it has.

        Raises:
          ValueError: no such tensor, another shape, or numbers that are quantised.
        """
        if name not in self._home:
            raise ValueError(f"{self.source} has no {name!r}{nearest(name, self.names)}")
        tensor = self._home[name].get_tensor(name)
        if tuple(tensor.shape) != shape:
            raise ValueError(
                f"{self.source}: {name} is {tuple(tensor.shape)}, and config.json says {shape}; "
                "the two do not belong together"
            )
        if tensor.dtype not in _DTYPES:
            raise ValueError(
                f"{self.source}: {name} is {tensor.dtype}, quantised as it seems; import the "
                f"weights as they were before, of {', '.join(map(str, _DTYPES))}"
            )
        self._taken.add(name)
        return tensor.to(torch.float32)

    def as_stored(self, name: str) -> torch.Tensor:
        """Reads a tensor in its own shape and dtype, and marks it as taken."""
        self._taken.add(name)
        return self._home[name].get_tensor(name)


def _files(source: Path) -> Sequence[Path]:
    """Returns the files that hold the tensors."""
    if source.is_file() and source.suffix == ".safetensors":
        return [source]
    if (source / _INDEX).is_file():
        return _shards(source)
    if (source / _WHOLE).is_file():
        return [source / _WHOLE]
    beside = [path.name for path in source.parent.iterdir()] if source.parent.is_dir() else []
    near = closest(source.name, beside)
    what = hint(near and str(source.with_name(near)))
    if source.is_dir():
        others = sorted(path.name for path in source.iterdir())
        what = f"; it holds {', '.join(others[:8]) or 'nothing'}"
    raise ValueError(
        f"{source} has no weights: wanted is a .safetensors file, or a folder with {_WHOLE} or "
        f"{_INDEX}{what} (what is pickled, .bin or .pt, is not read: "
        "save it by save_pretrained, which writes safetensors)"
    )


def _shards(folder: Path) -> Sequence[Path]:
    index = _json(folder / _INDEX).get("weight_map")
    names = sorted({str(name) for name in index.values()}) if isinstance(index, dict) else []
    # A shard lies beside the index; a name that leads elsewhere is no shard.
    paths = [folder / name for name in names if Path(name).name == name]
    missing = [path.name for path in paths if not path.is_file()]
    if len(paths) != len(names) or not names or missing:
        raise ValueError(
            f"{folder / _INDEX} names the shards {names}; "
            f"not there: {missing}. Each must lie beside it"
        )
    return paths


def _opened(path: Path) -> Any:
    try:
        return safe_open(path, framework="pt")
    except (OSError, SafetensorError) as error:
        raise ValueError(f"cannot read {path}: {error}") from error


def _json(path: Path) -> Mapping[str, Any]:
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"cannot read {path}: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path} holds no JSON object")
    return content
