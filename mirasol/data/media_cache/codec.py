"""Pictures to bytes and back: Motion JPEG, every picture alone, its colours in full.

The pictures of a clip are taken so far apart that one says little about the next. Measured on 32
pictures of a noisy clip (10 s of 320x240 H.264, from which decoding took 119 ms):

    224 px   630 of 4,704 KiB   24 ms to read   mean difference 1.9 of 255, 99 % within 7
    64 px     86 of   384 KiB    3 ms                           2.6                      9
    32 px     31 of    96 KiB    2 ms                           2.5                      8

H.264 at a comparable difference took twice as long to read, lossless codecs four to fifteen times.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import cast

import av
import numpy as np

from mirasol.data.frames import Resizer

MEAN_DIFFERENCE = 3.0
"""What a kept picture may differ from the decoded one, of 255, in the mean over its values."""

_CODEC = "mjpeg"
_FORMAT = "yuvj444p"
_QUANTISER = "2"  # Of 1 (finest) to 31.


def encode(frames_NHWC: np.ndarray) -> list[bytes]:
    """Returns one packet a picture.

    Args:
      frames_NHWC: uint8, RGB, square.
    """
    if not len(frames_NHWC):
        return []
    encoder = cast(av.VideoCodecContext, av.CodecContext.create(_CODEC, "w"))
    encoder.height, encoder.width = frames_NHWC.shape[1:3]
    encoder.pix_fmt, encoder.time_base = _FORMAT, Fraction(1, 25)
    encoder.options = {"qmin": _QUANTISER, "qmax": _QUANTISER}
    encoder.thread_count = 1
    packets = []
    for number, picture in enumerate(frames_NHWC):
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format=_FORMAT)
        frame.pts = number
        packets += encoder.encode(frame)
    return [bytes(packet) for packet in (*packets, *encoder.encode(None))]


def decode(packets: Sequence[bytes], pictures: Sequence[np.ndarray]) -> None:
    """Fills as many pictures as there are packets.

    Args:
      packets: of one picture each.
      pictures: uint8 [size, size, 3], RGB; are filled.

    Raises:
      ValueError: the packets hold another number of pictures.
      av.FFmpegError: they are damaged.
    """
    if len(packets) != len(pictures):
        raise ValueError(f"{len(packets)} packets are there for {len(pictures)} pictures")
    if not packets:
        return
    decoder = cast(av.VideoCodecContext, av.CodecContext.create(_CODEC, "r"))
    decoder.thread_count = 1
    shown = [frame for packet in packets for frame in decoder.decode(av.Packet(packet))]
    shown += decoder.decode(None)
    if len(shown) != len(packets):
        raise ValueError(f"{len(packets)} packets hold {len(shown)} pictures")
    resize = Resizer(len(pictures[0]))
    for picture, frame in zip(pictures, shown, strict=True):
        picture[:] = resize(frame)  # The size is the same: colours alone change.
