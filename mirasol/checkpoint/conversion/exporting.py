"""A checkpoint of ours as one safetensors file: names as in our model, texts as metadata."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import save_file

from mirasol.checkpoint.manager import CheckpointManager
from mirasol.checkpoint.manifest import CheckpointError

PRODUCER = "mirasol"
_MODEL = "model."


def export(
    directory: Path, output: Path, step: int | None = None, texts: Mapping[str, str] | None = None
) -> list[str]:
    """Writes the model's parameters; the file appears whole or not at all.

    Args:
      directory: of the checkpoints.
      output: the file, which must not be there.
      step: of the checkpoint; the newest by default.
      texts: further metadata, such as the run's configuration.

    Returns:
      The names of the tensors, those of the state dict of `Mirasol`. Their dtypes are kept.

    Raises:
      CheckpointError: no such checkpoint, or it holds no model.
      ValueError: the file is there, or its name does not end in .safetensors.
    """
    if output.suffix != ".safetensors":
        raise ValueError(f"--output is {output}; its name must end in .safetensors")
    if output.exists():
        raise ValueError(f"{output} is there already; remove it or choose another --output")
    manager = CheckpointManager(directory)
    chosen = manager.latest_step() if step is None else step
    manifest = manager.manifest(chosen)
    names = [name for name in manifest.arrays if name.startswith(_MODEL)]
    if not names:
        raise CheckpointError(f"step {chosen} of {directory} holds no tensor named {_MODEL}*")
    tensors = {
        name.removeprefix(_MODEL): tensor for name, tensor in manager.read(chosen, names).items()
    }
    metadata = {"format": "pt", "producer": PRODUCER}
    draft = output.with_name(f"{output.name}.incomplete-{os.getpid()}")
    output.parent.mkdir(parents=True, exist_ok=True)
    try:
        save_file(tensors, draft, {**metadata, "step": str(chosen), **(texts or {})})
        draft.rename(output)
    finally:
        draft.unlink(missing_ok=True)
    return list(tensors)
