"""Towers of pictures and of video as our VideoEncoder.

kernel     inflated to tubelets if it is of pictures; takes our pixels (kernels.py)
positions  learned ones for a chunk, repeated in time if they are of pictures
tokens     class tokens with their positions, then registers
blocks     name by name (transformers_in.py)
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from mirasol.checkpoint.conversion.kernels import Inflation, as_matrix, for_our_pixels, inflated
from mirasol.checkpoint.conversion.ledger import How, Ledger
from mirasol.checkpoint.conversion.overlay import vit_overlay
from mirasol.checkpoint.conversion.position_tables import resampled, videomae_table
from mirasol.checkpoint.conversion.request import Request
from mirasol.checkpoint.conversion.tower_names import VIDEOMAE, TowerNames
from mirasol.checkpoint.conversion.tower_sizes import VIDEOMAE as VIDEOMAE_SIZES
from mirasol.checkpoint.conversion.tower_sizes import TowerSizes, tower_sizes
from mirasol.checkpoint.conversion.transformers_in import put_transformer

# Of pixels in [0, 1], where preprocessor_config.json does not tell.
HALF = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
CLIP = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))


@dataclasses.dataclass(frozen=True)
class PictureTower:
    """A kind of tower of pictures.

    Attributes:
      title: what people call it.
      names: of its tensors.
      usual: what its config.json may leave out.
      pixels: mean and deviation of its pixels, as it was trained.
      kernel_bias: whether the kernel has one.
      antialias: whether its positions are smoothed before they are resampled to fewer.
    """

    title: str
    names: TowerNames
    usual: Mapping[str, Any]
    pixels: tuple[Sequence[float], Sequence[float]]
    kernel_bias: bool = True
    antialias: bool = False

    takes = ("chunk_frames", "tubelet_frames", "inflation", "image_size")

    def convert(self, ledger: Ledger, config: Mapping[str, Any], request: Request) -> str:
        """Enters the tower; returns the gin file that goes with it."""
        request.require_only(self.title, self.takes)
        sizes = tower_sizes(config, self.usual)
        root = ledger.weights.root(f"{self.names.kernel}.weight")
        tubelet_frames, chunk_frames = _frames(request)
        self._put_kernel(ledger, root, sizes, tubelet_frames, request.inflation or "average")
        side = _side(request.image_size or sizes.config["image_size"], sizes.patch)
        self._put_tables(ledger, root, sizes, side, chunk_frames // tubelet_frames)
        put_transformer(ledger, root, self.names, sizes)
        first = ledger.tensors.get(f"{ledger.prefix}patches.first.tokens_ND", ())
        tubelet = (tubelet_frames, sizes.patch, sizes.patch)
        return vit_overlay(
            self.title,
            "video_encoder",
            sizes,
            _macros(chunk_frames, side * sizes.patch, tubelet),
            {"learned_positions": True, "class_tokens": len(first)},
            {"input_norm": bool(self.names.input_norm)},
        )

    def _put_kernel(
        self, ledger: Ledger, root: str, sizes: TowerSizes, frames: int, inflation: Inflation
    ) -> None:
        """Enters the kernel, as one of tubelets of so many frames."""
        theirs, p = f"{root}{self.names.kernel}", sizes.patch
        kernel_DCHW = ledger.weights.take(f"{theirs}.weight", sizes.width, 3, p, p)
        kernel = inflated(kernel_DCHW, frames, inflation)
        bias = f"{theirs}.bias" if self.kernel_bias else ""
        how: How = "inflated" if frames > 1 else "folded"
        _put_kernel(ledger, kernel, bias, self.pixels, how, f"{theirs}.weight")

    def _put_tables(
        self, ledger: Ledger, root: str, sizes: TowerSizes, side: int, times: int
    ) -> None:
        """Enters positions for `times` pictures of side x side patches, and the tokens before."""
        names, before = self.names, _side(sizes.config["image_size"], sizes.patch)
        count = len(names.class_tokens)
        one = () if names.flat else (1,)
        table_name = root + names.positions
        table_ND = ledger.weights.take(table_name, *one, count + before**2, sizes.width)
        table_ND = table_ND.reshape(-1, sizes.width)
        positions_ND = resampled(table_ND[count:], before, side, self.antialias)
        made: How = "inflated" if times > 1 else "renamed"
        how = "resampled" if side != before else made
        ledger.put("patches.positions_ND", positions_ND.repeat(times, 1), how, table_name)
        put_first_tokens(ledger, root, names, sizes, table_ND[:count])


@dataclasses.dataclass(frozen=True)
class VideoMae:
    """VideoMAE's encoder, whose kernel is of tubelets already (arXiv 2203.12602)."""

    title = "VideoMAE"
    takes = ("chunk_frames", "image_size")

    def convert(self, ledger: Ledger, config: Mapping[str, Any], request: Request) -> str:
        """Enters the tower; returns the gin file that goes with it."""
        request.require_only(self.title, self.takes)
        sizes = tower_sizes(config, VIDEOMAE_SIZES)
        root = ledger.weights.root(f"{VIDEOMAE.kernel}.weight")
        frames, D, p = sizes.config["tubelet_size"], sizes.width, sizes.patch
        chunk_frames = request.chunk_frames or sizes.config["num_frames"]
        _require_multiple(chunk_frames, frames)
        name = f"{root}{VIDEOMAE.kernel}"
        kernel = ledger.weights.take(f"{name}.weight", D, 3, frames, p, p)
        _put_kernel(ledger, kernel, f"{name}.bias", IMAGENET, "folded", f"{name}.weight")
        side = _side(request.image_size or sizes.config["image_size"], p)
        table_ND = videomae_table(chunk_frames // frames * side**2, D)
        ledger.put("patches.positions_ND", table_ND, "made")
        # With mean pooling the norm stands behind the mean, in the head.
        final_norm = not sizes.config["use_mean_pooling"]
        put_transformer(ledger, root, VIDEOMAE, sizes, final_norm)
        return vit_overlay(
            self.title,
            "video_encoder",
            sizes,
            _macros(chunk_frames, side * p, (frames, p, p)),
            {"learned_positions": True, "class_tokens": 0},
            {"final_norm": final_norm},
        )


def put_first_tokens(
    ledger: Ledger,
    root: str,
    names: TowerNames,
    sizes: TowerSizes,
    positions_ND: torch.Tensor,
) -> None:
    """Enters class tokens with their positions, and registers, which have none."""
    D, one = sizes.width, () if names.flat else (1, 1)
    sources = [root + name for name in names.class_tokens]
    found = [
        ledger.weights.take(name, *one, D).reshape(1, D) + position_D
        for name, position_D in zip(sources, positions_ND, strict=True)
    ]
    if names.registers:
        sources.append(root + names.registers)
        count = sizes.config["num_register_tokens"]
        found.append(ledger.weights.take(sources[-1], 1, count, D)[0])
    if found:
        ledger.put("patches.first.tokens_ND", torch.cat(found), "folded", *sources)


def _put_kernel(
    ledger: Ledger,
    kernel: torch.Tensor,
    bias: str,
    pixels: tuple[Sequence[float], Sequence[float]],
    how: How,
    name: str,
) -> None:
    told = ledger.weights.preprocessor
    mean, std = told.get("image_mean", pixels[0]), told.get("image_std", pixels[1])
    rows = len(kernel)
    bias_D = ledger.weights.take(bias, rows) if bias else torch.zeros(rows)
    weight_DX, bias_D = for_our_pixels(as_matrix(kernel), bias_D, mean, std)
    ledger.put("patches.project.weight", weight_DX, how, name)
    ledger.put("patches.project.bias", bias_D, "folded", *filter(None, (bias, name)))


def _frames(request: Request) -> tuple[int, int]:
    """Returns the frames of a tubelet and of a chunk."""
    tubelet_frames = request.tubelet_frames or 1
    if tubelet_frames > 1 and request.inflation is None:
        raise ValueError(
            f"--tubelet_frames is {tubelet_frames}: say by --inflation how kernels of pictures "
            "become so many frames long: 'average' or 'centre'"
        )
    chunk_frames = request.chunk_frames or tubelet_frames
    _require_multiple(chunk_frames, tubelet_frames)
    return tubelet_frames, chunk_frames


def _require_multiple(chunk_frames: int, tubelet_frames: int) -> None:
    if chunk_frames % tubelet_frames:
        raise ValueError(
            f"--chunk_frames is {chunk_frames}, and a tubelet has {tubelet_frames} frames, which "
            "must divide it"
        )


def _side(image_size: int, patch: int) -> int:
    if image_size % patch:
        raise ValueError(
            f"pictures of {image_size} px are no multiple of patches of {patch} px; ours must "
            "tile them: choose another --image_size"
        )
    return image_size // patch


def _macros(chunk_frames: int, image_size: int, tubelet: tuple[int, int, int]) -> dict[str, Any]:
    return {"CHUNK_FRAMES": chunk_frames, "IMAGE_SIZE": image_size, "TUBELET": tubelet}
