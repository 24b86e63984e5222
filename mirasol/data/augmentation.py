"""Training examples varied at random: pictures cropped and mirrored, stretches of sound masked.

Every draw comes from a generator that is seeded with (seed, stage, number of the clip in training),
so that a clip varies from epoch to epoch, and a resumed run, or another number of workers, sees the
same. Evaluation has no augmentation. torchvision and torchaudio have these, too, but draw from
torch's global generator; torch's own resizing is what theirs call.
"""

from __future__ import annotations

import abc
import math
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from mirasol.data.converter import Example
from mirasol.numbers import require_positive

_TRIES = 10


class Augmentation(abc.ABC):
    """A change of one example that leaves its questions true."""

    @abc.abstractmethod
    def __call__(self, example: Example, rng: np.random.Generator) -> Example:
        """Returns the example changed; the arrays given may be kept elsewhere and stay as they are.

        Args:
          example: `video_TFHWC` uint8, `audio_TAS` float32 and so on, as `Converter.example` says.
          rng: all that is drawn is drawn from it.
        """


@dataclass(frozen=True, kw_only=True)
class RandomResizedCrop(Augmentation):
    """A part of the picture, the same in all frames, resized to the whole (arXiv 1409.4842).

    Attributes:
      least_area: of the part, as a share of the picture; at most the whole.
      most_stretch: of its width against its height, and the other way round.

    Raises:
      ValueError: the area is not in (0, 1], or the stretch below 1.
    """

    least_area: float = 0.5
    most_stretch: float = 4 / 3

    def __post_init__(self) -> None:
        if not (0 < self.least_area <= 1 and self.most_stretch >= 1):
            raise ValueError(
                f"RandomResizedCrop(least_area={self.least_area}, most_stretch="
                f"{self.most_stretch}): the area must be in (0, 1] and the stretch at least 1"
            )

    def __call__(self, example: Example, rng: np.random.Generator) -> Example:
        """Crops and resizes, with antialiasing."""
        video_TFHWC = example["video_TFHWC"]
        T, F, H, W, C = video_TFHWC.shape
        top, left, height, width = self.box(H, W, rng)
        part = video_TFHWC[:, :, top : top + height, left : left + width]
        # A view whose channels lie innermost: torch resizes such bytes without making them floats.
        part_XCHW = torch.from_numpy(part).flatten(0, 1).permute(0, 3, 1, 2)
        resized_XCHW = functional.interpolate(
            part_XCHW, (H, W), mode="bilinear", align_corners=False, antialias=True
        )
        resized = resized_XCHW.permute(0, 2, 3, 1).reshape(T, F, H, W, C)
        return example | {"video_TFHWC": np.ascontiguousarray(resized.numpy())}

    def box(self, height: int, width: int, rng: np.random.Generator) -> tuple[int, int, int, int]:
        """Returns top, left, height and width of a part, px; the whole if ten draws do not fit."""
        for _ in range(_TRIES):
            area = height * width * rng.uniform(self.least_area, 1.0)
            stretch = math.exp(rng.uniform(-1.0, 1.0) * math.log(self.most_stretch))
            wide, high = round(math.sqrt(area * stretch)), round(math.sqrt(area / stretch))
            if 1 <= wide <= width and 1 <= high <= height:
                top = int(rng.integers(height - high + 1))
                return top, int(rng.integers(width - wide + 1)), high, wide
        return 0, 0, height, width


@dataclass(frozen=True, kw_only=True)
class HorizontalFlip(Augmentation):
    """All frames of a clip mirrored, left to right.

    Not for questions about left and right, nor about what can be read: their answers would change.

    Attributes:
      probability: that a clip is mirrored.

    Raises:
      ValueError: the probability is not in 0..1.
    """

    probability: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.probability <= 1:
            raise ValueError(
                f"HorizontalFlip.probability is {self.probability}; it must be in 0..1"
            )

    def __call__(self, example: Example, rng: np.random.Generator) -> Example:
        """Mirrors."""
        if rng.random() >= self.probability:
            return example
        return example | {"video_TFHWC": np.ascontiguousarray(example["video_TFHWC"][..., ::-1, :])}


@dataclass(frozen=True, kw_only=True)
class SpecAugment(Augmentation):
    """Stretches of time and bands of frequency masked (arXiv 1904.08779, without time warping).

    What is masked becomes 0, near the mean of the standardised spectrogram. The paper states widths
    for 100 columns a second and 80 bins; here widths of time are shares of the clip, since columns
    stand closer or wider as the clip is shorter or longer.

    Attributes:
      time_masks: how many stretches, over all chunks of the clip.
      time_share: the widest one, as a share of the clip's columns.
      mel_masks: how many bands of frequency.
      mel_bins: the widest one, in bins.

    Raises:
      ValueError: a number is out of range.
    """

    time_masks: int = 2
    time_share: float = 0.1
    mel_masks: int = 2
    mel_bins: int = 8

    def __post_init__(self) -> None:
        require_positive("SpecAugment", mel_bins=self.mel_bins)
        if min(self.time_masks, self.mel_masks) < 0 or not 0 < self.time_share <= 1:
            raise ValueError(
                f"SpecAugment(time_masks={self.time_masks}, mel_masks={self.mel_masks}, "
                f"time_share={self.time_share}): masks must be at least 0, the share in (0, 1]"
            )

    def __call__(self, example: Example, rng: np.random.Generator) -> Example:
        """Masks."""
        audio_TAS = example["audio_TAS"].copy()
        audio_LS = audio_TAS.reshape(-1, audio_TAS.shape[-1])
        columns, bins = audio_LS.shape
        for _ in range(self.time_masks):
            audio_LS[_stretch(columns, round(self.time_share * columns), rng)] = 0.0
        for _ in range(self.mel_masks):
            audio_LS[:, _stretch(bins, self.mel_bins, rng)] = 0.0
        return example | {"audio_TAS": audio_TAS}


def _stretch(length: int, widest: int, rng: np.random.Generator) -> slice:
    """Returns a stretch of 0 to `widest` places, each width as likely, anywhere in the length."""
    width = min(length, int(rng.integers(widest + 1)))
    first = int(rng.integers(length - width + 1))
    return slice(first, first + width)
