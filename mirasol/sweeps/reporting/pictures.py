"""Pictures of clips for a page: a strip of frames, and the spectrogram below it.

Frames and colours are those of the contact sheet (mirasol/evaluation/sheet_drawing.py); here they
are small pictures in the page's own text, which its style scales.
"""

from __future__ import annotations

import base64
import dataclasses
import io
from collections.abc import Sequence

import matplotlib
import numpy as np
from PIL import Image

from mirasol.data.converter import Converter
from mirasol.data.media import MediaError
from mirasol.data.references import ClipReference
from mirasol.evaluation.contact_sheet import clip_title
from mirasol.evaluation.sheet_drawing import SOUND_COLOURS, SheetClip, loudness_range

# Larger frames are photographs: a lossy format holds them in a tenth of the bytes.
_LOSSLESS_PX = 64
_QUALITY = 80


@dataclasses.dataclass(frozen=True)
class ClipPictures:
    """A clip as one sees and hears it.

    Attributes:
      frames, sound: data URIs; "" where there is none.
      frames_words, sound_words: their text alternatives.
      count: frames in the strip.
      chunks: of the clip.
      missing: why there are no pictures; "" where there are.
    """

    frames: str = ""
    sound: str = ""
    frames_words: str = ""
    sound_words: str = ""
    count: int = 0
    chunks: int = 0
    missing: str = ""


def clip_pictures(
    references: Sequence[ClipReference], converter: Converter | None
) -> list[ClipPictures]:
    """Returns the pictures of clips, all sound in one scale of colours.

    Args:
      references: of the clips.
      converter: decodes them, at the sizes of its experiment; None: there is none.
    """
    if converter is None:
        reason = "no configuration of the sweep can be read by this code"
        return [ClipPictures(missing=reason)] * len(references)
    whole = converter.from_files()
    # A variant without sound would show none of it; the clip has it all the same.
    whole.video = whole.audio = True
    decoded = [_decoded(reference, whole) for reference in references]
    clips = [each for each in decoded if isinstance(each, SheetClip)]
    loudness = loudness_range(clips) if clips else (0.0, 1.0)
    return [
        ClipPictures(missing=each) if isinstance(each, str) else _pictures(each, loudness)
        for each in decoded
    ]


def _decoded(reference: ClipReference, converter: Converter) -> SheetClip | str:
    """Returns the clip, or why there is none."""
    try:
        clip = converter.decode(reference)
    except MediaError as error:
        return f"the clip cannot be shown: {error.reason}"
    return SheetClip.from_arrays(clip_title(reference), clip["video_TFHWC"], clip["audio_TAS"], ())


def _pictures(clip: SheetClip, loudness: tuple[float, float]) -> ClipPictures:
    count, chunks = len(clip.frames_FHWC), len(clip.audio_TAS)
    return ClipPictures(
        frames=_uri(np.concatenate(list(clip.frames_FHWC), axis=1), clip.frames_FHWC.shape[1]),
        sound=_uri(_coloured(clip.audio_TAS, loudness), 0),
        frames_words=f"{count} frames of {clip.title}, evenly spread, from left to right",
        sound_words=f"Log-mel spectrogram of {clip.title}: time from left to right in {chunks} "
        "chunks, low pitch at the bottom, louder is brighter",
        count=count,
        chunks=chunks,
    )


def _coloured(audio_TAS: np.ndarray, loudness: tuple[float, float]) -> np.ndarray:
    """Returns uint8 [S, T*A, 3], low pitch at the bottom."""
    low, high = loudness
    level_SX = audio_TAS.reshape(-1, audio_TAS.shape[-1]).T[::-1]
    share_SX = np.clip((level_SX - low) / (high - low), 0, 1)
    return matplotlib.colormaps[SOUND_COLOURS](share_SX, bytes=True)[..., :3]


def _uri(picture_HWC: np.ndarray, frame_px: int) -> str:
    file = io.BytesIO()
    image = Image.fromarray(np.ascontiguousarray(picture_HWC))
    if frame_px <= _LOSSLESS_PX:
        image.save(file, format="PNG", optimize=True)
        kind = "png"
    else:
        image.save(file, format="JPEG", quality=_QUALITY)
        kind = "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(file.getvalue()).decode()}"
