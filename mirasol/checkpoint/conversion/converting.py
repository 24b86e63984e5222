"""A whole conversion, from what is named to what is written.

weights of others, or ours as safetensors  ->  a folder of checkpoints, with model.gin
a checkpoint of ours                       ->  one safetensors file
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

from mirasol.checkpoint.conversion.exporting import SUFFIX, export
from mirasol.checkpoint.conversion.importing import GIN_FILE, read_weights
from mirasol.checkpoint.conversion.request import Part, Request
from mirasol.checkpoint.places import Place, place
from mirasol.checkpoint.survey import holds_checkpoints

_CONFIG = "config.gin"


@dataclasses.dataclass(frozen=True)
class Converted:
    """What was written.

    Attributes:
      output: where.
      tensors: how many.
      account: what became of each, for people; "" where all are as they were.
      overlay: the text of the gin file that goes with an import; "": there is none.
    """

    output: str
    tensors: int
    account: str = ""
    overlay: str = ""

    def text(self) -> str:
        """Returns it for people."""
        if not self.account:
            return f"{self.output}: {self.tensors} tensors"
        lines = [self.account, f"\n{self.output}: checkpoint of step 0, names begin with model."]
        if self.overlay:
            lines.append(f"{self.output}/{GIN_FILE} makes the model that they fit:\n")
            lines.append(self.overlay)
        return "\n".join(lines)


def is_weights(source: str) -> bool:
    """Returns whether a path is of safetensors, rather than of checkpoints of ours."""
    path = Path(source)
    if path.suffix == SUFFIX:
        return True
    return not holds_checkpoints(place(source)) and (
        (path / "config.json").is_file() or any(path.glob(f"*{SUFFIX}"))
    )


def import_weights(source: Path, output: Place, part: Part | None, request: Request) -> Converted:
    """Reads weights and writes them as the checkpoint of step 0.

    Raises:
      ValueError: they cannot be read, do not fit, or there is such a checkpoint.
    """
    imported = read_weights(source, part, request)
    imported.save(output)
    return Converted(str(output), len(imported.tensors), imported.account, imported.overlay)


def export_checkpoint(source: Place, output: Path, step: int | None = None) -> Converted:
    """Writes the model of a checkpoint as one file, with the configuration of its workdir.

    Args:
      source: a workdir, a folder of checkpoints, or one checkpoint.
      output: the file.
      step: of the checkpoint; the newest complete one by default.

    Raises:
      ValueError: there is none, or the file is there already.
    """
    texts = {_CONFIG: source.read(_CONFIG).decode()} if source.has(_CONFIG) else {}
    return Converted(str(output), len(export(source, output, step, texts)))
