"""Writing a clip: H.264 video and AAC sound in an mp4."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from mirasol.data.av_shapes.spec import (
    CHUNK_FRAMES,
    FRAME_RATE_HZ,
    IMAGE_SIZE_PX,
    SAMPLE_RATE_HZ,
)

# Quality 24 keeps colours and motion clean; no B-frames, so that the first picture is at 0 s; a key
# frame starts each chunk, so that one chunk is decoded without those before it;
# "fast" instead of AAC's default search, which takes longer than all the rest of a clip.
_VIDEO_OPTIONS = {
    "preset": "ultrafast",
    "crf": "24",
    "g": str(CHUNK_FRAMES),
    "keyint_min": str(CHUNK_FRAMES),
    "sc_threshold": "0",
    "bf": "0",
    "x264-params": "threads=1:sliced-threads=0:lookahead-threads=1",
}
_AUDIO_OPTIONS = {"aac_coder": "fast"}
_AUDIO_BITS_PER_S = 64_000
_AUDIO_FRAME_SAMPLES = 1024


def write_clip(path: Path, frames_THWC: np.ndarray, samples: np.ndarray) -> None:
    """Writes an mp4. Equal input gives equal bytes on one build of FFmpeg.

    Args:
      path: the file; its folder exists.
      frames_THWC: uint8 RGB at FRAME_RATE_HZ.
      samples: float32 in -1..1, mono at SAMPLE_RATE_HZ, as long as the frames.
    """
    with av.open(str(path), "w", format="mp4", options={"fflags": "+bitexact"}) as container:
        video = container.add_stream("libx264", rate=FRAME_RATE_HZ, options=_VIDEO_OPTIONS)
        video.width = video.height = IMAGE_SIZE_PX
        video.pix_fmt = "yuv420p"
        video.thread_count = 1
        audio = container.add_stream(
            "aac", rate=SAMPLE_RATE_HZ, layout="mono", options=_AUDIO_OPTIONS
        )
        audio.bit_rate = _AUDIO_BITS_PER_S
        for stream in (video, audio):
            stream.codec_context.flags |= av.codec.context.Flags.bitexact
        _encode_video(container, video, frames_THWC)
        _encode_audio(container, audio, samples)


def _encode_video(container, stream, frames_THWC: np.ndarray) -> None:
    for number, frame_HWC in enumerate(frames_THWC):
        frame = av.VideoFrame.from_ndarray(frame_HWC, format="rgb24")
        frame.pts, frame.time_base = number, Fraction(1, FRAME_RATE_HZ)
        container.mux(stream.encode(frame))
    container.mux(stream.encode())


def _encode_audio(container, stream, samples: np.ndarray) -> None:
    for first in range(0, len(samples), _AUDIO_FRAME_SAMPLES):
        part = samples[None, first : first + _AUDIO_FRAME_SAMPLES]
        frame = av.AudioFrame.from_ndarray(part, format="fltp", layout="mono")
        frame.sample_rate = SAMPLE_RATE_HZ
        frame.pts, frame.time_base = first, Fraction(1, SAMPLE_RATE_HZ)
        container.mux(stream.encode(frame))
    container.mux(stream.encode())
