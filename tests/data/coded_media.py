"""Media files for tests: frames carry their number in blocks, and sound clicks each second.

A picture has 4 x 4 blocks, bright or dark: the bits of its number, the lowest at the top left. They
survive lossy codecs, other sizes and other shapes. Clicks of 5 ms come at 0.5 s, 1.5 s, ...
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

BLOCKS = 4
CLICK_S = 0.5
TICK_S = Fraction(1, 1000)


def picture(number: int, width: int, height: int) -> np.ndarray:
    """Returns uint8 [height, width, 3] that shows a number."""
    bits = (number >> np.arange(BLOCKS * BLOCKS)) & 1
    grid = np.where(bits, 215, 40).astype(np.uint8).reshape(BLOCKS, BLOCKS)
    rows = np.arange(height) * BLOCKS // height
    columns = np.arange(width) * BLOCKS // width
    return np.repeat(grid[rows][:, columns, None], 3, axis=2)


def numbers(pictures: np.ndarray) -> list[int]:
    """Returns what uint8 [n, H, H, 3] pictures show; -1 where a block is not clear."""
    size = pictures.shape[1] // BLOCKS
    blocks = pictures[:, : size * BLOCKS, : size * BLOCKS].mean(axis=-1)
    blocks = blocks.reshape(-1, BLOCKS, size, BLOCKS, size).mean(axis=(2, 4))
    clear = (np.abs(blocks - 127.5) > 45).all(axis=(1, 2))
    values = ((blocks > 127.5).reshape(-1, BLOCKS * BLOCKS) << np.arange(BLOCKS * BLOCKS)).sum(1)
    return np.where(clear, values, -1).tolist()


@dataclass(kw_only=True)
class Clip:
    """A clip to write; the tests change a field or two.

    Attributes:
      stamps_s: when each frame is shown, s; None: `frames` of them, `fps` a second.
      start_s: of both streams.
      sound_s: length of the sound; None: as the pictures; 0: none.
      options: of the picture's codec.
      container: options of the muxer.
      cycled: encode 48 s of sound only, and repeat its packets.
    """

    frames: int = 50
    fps: int = 25
    stamps_s: list[float] | None = None
    start_s: float = 0.0
    width: int = 64
    height: int = 64
    codec: str = "libx264"
    pixels: str = "yuv420p"
    gop: int = 12
    options: dict[str, str] = field(default_factory=lambda: {"crf": "18", "preset": "ultrafast"})
    sound_s: float | None = None
    sound_codec: str = "aac"
    rate: int = 16_000
    layout: str = "mono"
    container: dict[str, str] = field(default_factory=dict)
    cycled: bool = False

    @property
    def shown_s(self) -> np.ndarray:
        """When each frame is shown, from the file's beginning; and when the last one ends."""
        if self.stamps_s is None:
            return np.arange(self.frames + 1) / self.fps
        return np.array([*self.stamps_s, self.stamps_s[-1] + 1 / self.fps])

    def write(self, path: Path) -> str:
        """Writes the file and returns its path."""
        with av.open(str(path), "w", options=self.container) as container:
            streams = []
            if self.frames:
                streams.append((self._picture_stream(container), self._pictures()))
            if self.sound_s != 0:
                sound = container.add_stream(self.sound_codec, rate=self.rate)
                sound.layout = self.layout
                streams.append((sound, [self._clicks(sound.format.name)]))
            packets = [packet for stream, items in streams for packet in _coded(stream, items)]
            if self.cycled:
                packets += _repeated(
                    [each for each in packets if each.stream is sound], self._end_s
                )
            # In turns, as a recorder would: a truncated file has both.
            packets.sort(key=lambda packet: packet.dts * float(packet.time_base))
            for packet in packets:
                container.mux(packet)
        return str(path)

    def _picture_stream(self, container):
        stream = container.add_stream(self.codec, rate=self.fps, options=self.options)
        stream.width, stream.height, stream.pix_fmt = self.width, self.height, self.pixels
        stream.gop_size = self.gop
        if self.stamps_s is not None:
            stream.codec_context.time_base = TICK_S
        return stream

    def _pictures(self):
        for number, time_s in enumerate(self.shown_s[:-1]):
            array = picture(number, self.width, self.height)
            frame = av.VideoFrame.from_ndarray(array, format="rgb24").reformat(format=self.pixels)
            tick_s = Fraction(1, self.fps) if self.stamps_s is None else TICK_S
            frame.pts, frame.time_base = round((self.start_s + time_s) / tick_s), tick_s
            yield frame

    @property
    def _end_s(self) -> float:
        return float(self.shown_s[-1]) if self.sound_s is None else self.sound_s

    def _clicks(self, kind: str):
        seconds = 48.0 if self.cycled else self._end_s
        channels = len(av.AudioLayout(self.layout).channels)
        samples = np.tile(clicks(seconds, self.rate), (channels, 1))
        if kind.startswith("s"):  # s16, s32p, ...
            bits = int(kind[1:3])
            samples = (samples * (2.0 ** (bits - 1) - 1)).astype(f"int{bits}")
        if not kind.endswith("p"):
            samples = np.ascontiguousarray(samples.T.reshape(1, -1))
        frame = av.AudioFrame.from_ndarray(samples, kind, self.layout)
        frame.sample_rate, frame.time_base = self.rate, Fraction(1, self.rate)
        frame.pts = round(self.start_s * self.rate)
        return frame


def clicks(seconds: float, rate: int) -> np.ndarray:
    """Returns float32 [samples] with a click a second."""
    samples = np.zeros(round(seconds * rate), np.float32)
    for start_s in np.arange(CLICK_S, seconds, 1.0):
        at = round(start_s * rate)
        click = samples[at : at + rate // 200]
        click += 0.5 * np.sign(np.sin(2 * np.pi * 1000 * (np.arange(len(click)) + 0.5) / rate))
    return samples


def click_times(samples: np.ndarray, rate: int = 16_000) -> np.ndarray:
    """Returns where clicks begin, s."""
    loud = np.flatnonzero(np.abs(samples) > 0.15)
    return loud[np.diff(loud, prepend=-rate) > rate * 0.05] / rate


def _repeated(packets, end_s: float):
    """Yields further packets up to a time; 125 of AAC at 8 kHz are 16 s, and alike each time."""
    assert (packets[0].duration, packets[0].time_base) == (1024, Fraction(1, 8000))
    contents, stream = [bytes(packet) for packet in packets[125:250]], packets[0].stream
    for number in range(len(packets), int(end_s * 8000 / 1024)):
        packet = av.Packet(contents[number % 125])
        packet.pts = packet.dts = packets[0].pts + 1024 * number
        packet.duration, packet.time_base, packet.stream = 1024, Fraction(1, 8000), stream
        yield packet


def _coded(stream, items):
    for item in (*items, None):
        yield from stream.encode(item)


def rewrap(path: str, wanted: str) -> None:
    """Writes the streams of a file into one of another format."""
    with av.open(path) as source, av.open(wanted, "w") as target:
        streams = {each.index: target.add_stream_from_template(each) for each in source.streams}
        for packet in source.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream.index]
                target.mux(packet)
