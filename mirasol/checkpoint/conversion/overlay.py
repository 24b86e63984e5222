"""The gin file that makes the part of a model which imported weights fit."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from mirasol.checkpoint.conversion.tower_sizes import TowerSizes

_HEADER = """\
# The {part} that weights of {title} fit; written by `checkpoint convert` beside them.
#
# Give it after the run: --gin_file=RUN --gin_file=THIS_FILE
"""


@dataclasses.dataclass(frozen=True)
class Named:
    """What gin knows by a name, a macro %NAME or a part @NAME(); other values are literals."""

    name: str

    def __repr__(self) -> str:
        return self.name


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
      bindings: arguments by the selector of a part, literals or Named.
    """
    lines = ["from __gin__ import dynamic_registration"]
    lines += [f"from mirasol.models import {module}" for module in imports]
    lines += ["", *(f"{name} = {value!r}" for name, value in macros.items())]
    for selector, arguments in bindings.items():
        lines += ["", f"{selector}:"]
        lines += [f"    {name} = {value!r}" for name, value in arguments.items()]
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
    own = {"width": sizes.width, "layers": sizes.layers, "heads": sizes.heads}
    named = {name: f"{kind}_{name}".upper() for name in own}
    vit = {
        **{name: Named(f"%{macro}") for name, macro in named.items()},
        "dropout": Named("%DROPOUT"),
        "hidden": sizes.hidden,
        "activation": sizes.activation,
        "norm_eps": sizes.norm_eps,
    }
    encoder_class, called = (
        f"encoders.{kind.capitalize()}Encoder",
        f"{kind}/transformer.Transformer",
    )
    from_outside = {"layers": None, "heads": None, "dropout": 0.0}
    bindings = {
        "mirasol3b.Mirasol": {part: Named(f"@{encoder_class}()")},
        encoder_class: {**from_outside, "transformer": Named(f"@{called}()"), **encoder},
        called: {**vit, **switches},
    }
    sized = {**macros, **{macro: own[name] for name, macro in named.items()}}
    return overlay(title, part, ("encoders", "mirasol3b", "transformer"), sized, bindings)
