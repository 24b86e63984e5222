"""A checkpoint of ours as one safetensors file: names as in our model, texts as metadata."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file

from mirasol.checkpoint.conditions import FolderName
from mirasol.checkpoint.errors import CheckpointError
from mirasol.checkpoint.exchange import read_tensors
from mirasol.checkpoint.places import Place, place
from mirasol.checkpoint.reader import TensorStoreReader
from mirasol.checkpoint.survey import newest

PRODUCER = "mirasol"
SUFFIX = ".safetensors"
_MODEL = "model."


def export(
    source: str | os.PathLike | Place,
    output: Path,
    step: int | None = None,
    texts: Mapping[str, str] | None = None,
) -> list[str]:
    """Writes the model's parameters; the file appears whole or not at all.

    Args:
      source: a workdir, a folder of checkpoints, or one checkpoint.
      output: the file, which must not be there.
      step: of the checkpoint; the newest complete one by default.
      texts: further metadata, such as the run's configuration.

    Returns:
      The names of the tensors, those of the state dict of `Mirasol`. Their dtypes are kept.

    Raises:
      CheckpointError: the checkpoint is damaged, or holds no model.
      ValueError: there is no such checkpoint, or the file is there, or its name does not end in
        .safetensors.
    """
    if output.suffix != SUFFIX:
        raise ValueError(f"the output is {output}; its name must end in {SUFFIX}")
    if output.exists():
        raise ValueError(f"{output} is there already; remove it or choose another")
    folder, _ = newest(place(source), step)
    reader = TensorStoreReader(folder)
    names = [name for name in reader.manifest.arrays if name.startswith(_MODEL)]
    if not names:
        raise CheckpointError(f"{folder} holds no tensor named {_MODEL}*")
    tensors = {
        name.removeprefix(_MODEL): tensor for name, tensor in read_tensors(reader, names).items()
    }
    _write(tensors, output, {"step": _step(folder, reader), **(texts or {})})
    return list(tensors)


def _step(folder: Place, reader: TensorStoreReader) -> str:
    named = FolderName.read(folder.name)
    return str(named.step if named else reader.manifest.values.get("step", 0))


def _write(tensors: dict[str, torch.Tensor], output: Path, texts: Mapping[str, str]) -> None:
    draft = output.with_name(f"{output.name}.incomplete-{os.getpid()}")
    output.parent.mkdir(parents=True, exist_ok=True)
    try:
        save_file(tensors, draft, {"format": "pt", "producer": PRODUCER, **texts})
        draft.rename(output)
    finally:
        draft.unlink(missing_ok=True)
