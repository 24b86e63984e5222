"""Which weights can be imported, by the model_type of their config.json, and for which part."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Protocol

from mirasol.checkpoint.conversion import pixels, tower_names, tower_sizes
from mirasol.checkpoint.conversion.gpt2 import Gpt2
from mirasol.checkpoint.conversion.ledger import Ledger
from mirasol.checkpoint.conversion.pictures import PictureTower
from mirasol.checkpoint.conversion.request import Part, Request
from mirasol.checkpoint.conversion.sounds import Ast
from mirasol.checkpoint.conversion.videomae import VideoMae
from mirasol.spelling import nearest


class Converter(Protocol):
    """Knows one kind of weights."""

    @property
    def title(self) -> str:
        """What people call it."""

    def convert(self, ledger: Ledger, config: Mapping[str, Any], request: Request) -> str:
        """Enters its tensors as those of our part; returns the gin file that goes with them."""


@dataclasses.dataclass(frozen=True)
class Family:
    """A kind of weights.

    Attributes:
      converter: knows it.
      part: what it becomes.
      section: of config.json that is about the tower; "": all of it.
    """

    converter: Converter
    part: Part
    section: str = ""

    def described(self, config: Mapping[str, Any]) -> Mapping[str, Any]:
        """Returns what config.json says about the tower.

        Raises:
          ValueError: it has no such section.
        """
        described = config.get(self.section) if self.section else config
        if not isinstance(described, Mapping):
            raise ValueError(
                f"config.json of {self.converter.title} has no section {self.section!r} with the "
                f"sizes of its {self.part.replace('_', ' ')}; it has {', '.join(config)}"
            )
        return described


_VIT = PictureTower("ViT", tower_names.VIT, tower_sizes.VIT, pixels.HALF)
_CLIP = PictureTower("CLIP", tower_names.CLIP, tower_sizes.CLIP, pixels.CLIP, kernel_bias=False)
_SIGLIP = PictureTower("SigLIP", tower_names.SIGLIP, tower_sizes.SIGLIP, pixels.HALF)
_DINOV2 = PictureTower("DINOv2", tower_names.DINOV2, tower_sizes.DINOV2, pixels.IMAGENET)
_REGISTERS = PictureTower(
    "DINOv2 with registers",
    tower_names.DINOV2_WITH_REGISTERS,
    {**tower_sizes.DINOV2, "num_register_tokens": 4},
    pixels.IMAGENET,
    antialias=True,
)
FAMILIES: Mapping[str, Family] = MappingProxyType(
    {
        "vit": Family(_VIT, "video_encoder"),
        "dinov2": Family(_DINOV2, "video_encoder"),
        "dinov2_with_registers": Family(_REGISTERS, "video_encoder"),
        "clip": Family(_CLIP, "video_encoder", "vision_config"),
        "clip_vision_model": Family(_CLIP, "video_encoder"),
        "siglip": Family(_SIGLIP, "video_encoder", "vision_config"),
        "siglip_vision_model": Family(_SIGLIP, "video_encoder"),
        "videomae": Family(VideoMae(), "video_encoder"),
        "audio-spectrogram-transformer": Family(Ast(), "audio_encoder"),
        "gpt2": Family(Gpt2(), "text_decoder"),
    }
)
_T5 = (
    "positions are biases of attention by distance (ours are added to the tokens); norms divide by "
    "the root mean square, without mean and bias; attention is not scaled by 1 / sqrt(D / K); "
    "linear maps have no bias; and its decoder was trained on the outputs of its own text encoder"
)
# model_type -> what of it does not fit our TextDecoder.
UNFIT: Mapping[str, str] = MappingProxyType(dict.fromkeys(("t5", "mt5", "umt5", "longt5"), _T5))


def family_of(config: Mapping[str, Any], part: str) -> Family:
    """Returns the family of weights with that config.json.

    Raises:
      ValueError: it is unknown or does not fit, or it is for another part than `part`.
    """
    kind = str(config.get("model_type"))
    if kind in UNFIT:
        raise ValueError(f"model_type {kind!r} does not fit our text decoder: {UNFIT[kind]}")
    if kind not in FAMILIES:
        raise ValueError(
            f"config.json has model_type {kind!r}; known are {', '.join(FAMILIES)}"
            f"{nearest(kind, FAMILIES)}"
        )
    family = FAMILIES[kind]
    if part != family.part:
        raise ValueError(
            f"--part is {part!r}, and weights of {family.converter.title} are for {family.part!r}"
        )
    return family
