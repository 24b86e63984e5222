"""The gin file that makes the part of a model which imported weights fit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mirasol.checkpoint.conversion.tower_sizes import TowerSizes

_HEADER = """\
# The {part} that weights of {title} fit; written by tools/convert.py beside them.
#
# Give it after the run: --gin_file=RUN --gin_file=THIS_FILE
"""


def overlay(
    title: str,
    part: str,
    imports: tuple[str, ...],
    macros: Mapping[str, Any],
    bindings: Mapping[str, Mapping[str, Any]],
) -> str:
    """Returns the text of a gin file.

    Args:
      title: the kind of weights.
      part: of the model.
      imports: modules of mirasol.models.
      macros: values by name.
      bindings: arguments by the selector of a part; a text that begins with % or @ is a reference.
    """
    lines = ["from __gin__ import dynamic_registration"]
    lines += [f"from mirasol.models import {module}" for module in imports]
    lines += ["", *(f"{name} = {value!r}" for name, value in macros.items())]
    for selector, arguments in bindings.items():
        lines += ["", f"{selector}:"]
        lines += [f"    {name} = {_written(value)}" for name, value in arguments.items()]
    return "\n".join([_HEADER.format(part=part, title=title), *lines, ""])


def vit_overlay(
    title: str,
    part: str,
    sizes: TowerSizes,
    macros: Mapping[str, Any],
    encoder: Mapping[str, Any],
    switches: Mapping[str, Any],
) -> str:
    """Returns the gin file of an encoder.

    Args:
      title: the kind of weights.
      part: "video_encoder" or "audio_encoder".
      sizes: of the tower.
      macros: values by name, besides those of the sizes.
      encoder: further arguments of the encoder.
      switches: further arguments of its transformer.
    """
    kind = part.partition("_")[0]
    prefix = kind.upper()
    called = f"{kind}/transformer.Transformer"
    vit = {
        "width": f"%{prefix}_WIDTH",
        "layers": f"%{prefix}_LAYERS",
        "heads": f"%{prefix}_HEADS",
        "dropout": "%DROPOUT",
        "hidden": sizes.hidden,
        "activation": sizes.activation,
        "norm_eps": sizes.norm_eps,
    }
    from_outside = {"layers": None, "heads": None, "dropout": 0.0, "transformer": f"@{called}()"}
    encoder_class = f"encoders.{kind.capitalize()}Encoder"
    return overlay(
        title,
        part,
        ("encoders", "mirasol3b", "transformer"),
        {
            **macros,
            f"{prefix}_WIDTH": sizes.width,
            f"{prefix}_LAYERS": sizes.layers,
            f"{prefix}_HEADS": sizes.heads,
        },
        {
            "mirasol3b.Mirasol": {part: f"@{encoder_class}()"},
            encoder_class: {**from_outside, **encoder},
            called: {**vit, **switches},
        },
    )


def _written(value: Any) -> str:
    reference = isinstance(value, str) and value.startswith(("%", "@"))
    return value if reference else repr(value)
