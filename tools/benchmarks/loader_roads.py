"""The roads from files to arrays that are set side by side, each ready before it is timed."""

from __future__ import annotations

import abc
import dataclasses
import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter

from benchmarks.clocks import seconds
from mirasol.batch import ExampleShape
from mirasol.data.converter import Converter
from mirasol.data.loader import PREFETCHED, BatchStream, Stage, training_batches
from mirasol.data.media_cache.cache import DECODING, ClipSource, MediaCache
from mirasol.data.references import ClipReference
from mirasol.data.splits import splits_of
from mirasol.data.task_service import TaskService

CHUNK_FRAMES = 8
_REST_S = 0.4


@dataclasses.dataclass(frozen=True, kw_only=True)
class Setting:
    """What every road is given.

    Attributes:
      paths: of the files.
      clip_s: length of each.
      frames: of a clip, evenly spread.
      image_size: px.
      processes: that decode.
      batch_size: clips in a batch, where there are batches.
    """

    paths: Sequence[Path]
    clip_s: float
    frames: int
    image_size: int
    processes: int
    batch_size: int

    def converter(self, media_cache: ClipSource = DECODING) -> Converter:
        """Returns the converter of such clips: 32 columns of 128 bins to 8 frames."""
        shape = ExampleShape(
            chunks=self.frames // CHUNK_FRAMES,
            chunk_frames=CHUNK_FRAMES,
            image_size=self.image_size,
            chunk_bands=32,
            mel_bins=128,
            questions=1,
            prompt_length=32,
            answer_length=8,
        )
        return Converter(shape, media_cache=media_cache)


class Road(abc.ABC):
    """Something that reads clips in processes of its own."""

    @abc.abstractmethod
    def read(self, clips: int) -> float:
        """Reads so many clips and returns how long it took, s."""

    @abc.abstractmethod
    def close(self) -> None:
        """Ends the processes."""


class Bare(Road):
    """PyAV and nothing else: each file's frames and sound decoded in one go, frames resized."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        context = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(setting.processes, mp_context=context)
        self.read(setting.processes * 2)

    def read(self, clips: int) -> float:
        """Deals the files out evenly."""
        setting, processes = self._setting, self._setting.processes
        chosen = [setting.paths[number % len(setting.paths)] for number in range(clips)]
        parts = [chosen[first::processes] for first in range(processes)]

        def run() -> None:
            times_s = (np.arange(setting.frames) + 0.5) * (setting.clip_s / setting.frames)
            waiting = [
                self._pool.submit(decode_bare, part, times_s, setting.image_size) for part in parts
            ]
            for each in waiting:
                each.result()

        return seconds(run)

    def close(self) -> None:
        """Ends the pool."""
        self._pool.shutdown()


def decode_bare(paths: Sequence[Path], times_s: np.ndarray, image_size: int) -> int:
    """Decodes clips one by one, as little as gives the frames and the sound; returns bytes."""
    total = 0
    for path in paths:
        with av.open(str(path)) as container:
            for stream in container.streams:
                stream.codec_context.thread_count = 1
            resize, done, shown = VideoReformatter(), 0, None
            for frame in container.decode(video=0, audio=0):
                if isinstance(frame, av.AudioFrame):
                    total += frame.to_ndarray().nbytes
                    continue
                assert isinstance(frame, av.VideoFrame)
                while done < len(times_s) and times_s[done] < frame.time:
                    picture = _resized(resize, shown or frame, image_size)
                    total += picture.nbytes
                    done += 1
                shown = frame
    return total


def _resized(resize: VideoReformatter, frame: av.VideoFrame, size: int) -> np.ndarray:
    small = resize.reformat(frame, size, size, "rgb24", interpolation=Interpolation.AREA, threads=1)
    return small.to_ndarray()


class Loader(Road):
    """The data road of a training: batches of the task `manifest`, taken and dropped."""

    def __init__(self, setting: Setting, converter: Converter | None = None) -> None:
        self._setting = setting
        self.stream: BatchStream = training_batches(
            [Stage("manifest")],
            "train",
            converter or setting.converter(),
            setting.batch_size,
            seed=0,
            workers=setting.processes,
        )
        self._take(setting.processes)
        self._rest()

    def read(self, clips: int) -> float:
        """Takes what lies ready, then times batches from one that was just made to another."""
        setting = self._setting
        self._take((PREFETCHED + 1) * setting.processes)
        took = seconds(lambda: self._take(clips // setting.batch_size))
        self._rest()
        return took

    def close(self) -> None:
        """Ends the workers."""
        self.stream.close()

    def _take(self, batches: int) -> None:
        for _ in range(batches):
            next(self.stream)

    def _rest(self) -> None:
        """Waits until the workers have made all that they make ahead."""
        before = -1
        while (now := sum(map(_cpu_ticks, children()))) != before:
            before = now
            time.sleep(_REST_S)


class Cached(Loader):
    """The same from clips that were decoded before; filling the folder is not timed."""

    def __init__(self, setting: Setting) -> None:
        self._folder = tempfile.TemporaryDirectory()
        cache = MediaCache(self._folder.name)
        decoding = setting.converter()
        cache.note(decoding.decoding_settings())
        (split,) = splits_of("manifest", "train", _no_service, 0)
        clips = list(split.clips())
        parts = [clips[first :: setting.processes] for first in range(setting.processes)]
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(setting.processes, mp_context=context) as pool:
            for each in [pool.submit(_fill, cache, part, decoding) for part in parts]:
                each.result()
        super().__init__(setting, setting.converter(cache))

    def close(self) -> None:
        """Ends the workers and removes the folder."""
        super().close()
        self._folder.cleanup()


def _fill(cache: MediaCache, clips: Sequence[ClipReference], converter: Converter) -> None:
    for clip in clips:
        cache.fill(clip, converter.decoding_settings(), converter.decode)


def _no_service() -> TaskService:
    raise AssertionError("a manifest is read without seqio")


def children(process: int | None = None) -> list[int]:
    """Returns the processes that this one has started and those that they have, by id."""
    process = os.getpid() if process is None else process
    try:
        text = Path(f"/proc/{process}/task/{process}/children").read_text(encoding="ascii")
    except FileNotFoundError:  # It has ended since it was listed.
        return []
    return [each for child in map(int, text.split()) for each in (child, *children(child))]


def resident_bytes() -> int:
    """Returns the resident memory of this process and all below it; what is shared counts once."""
    return sum(_proportional_bytes(process) for process in [os.getpid(), *children()])


def _proportional_bytes(process: int) -> int:
    try:
        text = Path(f"/proc/{process}/smaps_rollup").read_text(encoding="ascii")
    except (FileNotFoundError, ProcessLookupError):  # It has ended since it was listed.
        return 0
    lines = text.splitlines()
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


def _cpu_ticks(process: int) -> int:
    fields = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


ROADS: dict[str, Callable[[Setting], Road]] = {
    "bare PyAV": Bare,
    "loader": Loader,
    "cached": Cached,
}
