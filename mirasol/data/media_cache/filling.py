"""Filling a cache: a pipeline of Apache Beam, which runs here or on any of Beam's runners.

    references -> those not there yet -> dealt out anew -> decoded, written (cache.py)

Nothing comes back through the pipeline: what was done stands in the folder, which is asked before
and after. So a run that was broken off goes on with what is missing, whatever the runner.
"""

from __future__ import annotations

import contextlib
import dataclasses
import threading
import time
from collections.abc import Iterator, Sequence

import apache_beam as beam
import torch
from apache_beam.options.pipeline_options import PipelineOptions

from mirasol.data.converter import Converter
from mirasol.data.media_cache.cache import MediaCache
from mirasol.data.media_cache.entries import remove_drafts
from mirasol.data.media_cache.settings import Settings
from mirasol.data.references import ClipReference
from mirasol.progress import progress_bar

DIRECT_RUNNER = "apache_beam.runners.portability.fn_api_runner.FnApiRunner"
"""Beam's direct runner by its own name: under `DirectRunner`, Beam looks for a program to download
first, and takes this one when there is none."""

# A pipeline carries its references with it, and runners take pipelines of some megabytes.
_ROUND = 20_000
# No clip takes so long: what was last written before is nobody's.
_ABANDONED_S = 3600.0
# Seconds between looks at the folder, for the progress bar.
_LOOK_S = 2.0


@dataclasses.dataclass(frozen=True)
class Filled:
    """What a run found and did.

    Attributes:
      clips: that are wanted, each once.
      before: of these, those that were there already.
      broken: (path, why) of each that cannot be decoded.
      missing: those that are still not there; 0 unless something went wrong.
    """

    clips: int
    before: int
    broken: list[tuple[str, str]]
    missing: int


class _Fill(beam.DoFn):
    """Decodes clips, each in whatever process it was dealt to."""

    def __init__(self, cache: MediaCache, converter: Converter) -> None:
        self._cache, self._converter = cache, converter

    def setup(self) -> None:
        """One thread, as in a data worker: the order of a sum is part of the sound."""
        torch.set_num_threads(1)

    def process(self, element: ClipReference) -> None:
        converter = self._converter
        self._cache.fill(element, converter.decoding_settings(), converter.decode)


def fill(
    references: Sequence[ClipReference],
    converter: Converter,
    cache: MediaCache,
    options: Sequence[str],
    retry: bool = False,
) -> Filled:
    """Decodes every clip that the cache does not hold yet.

    Args:
      references: clips; those that stand twice are decoded once.
      converter: decodes; from the media files, whatever its own source of clips is.
      cache: is filled.
      options: of the pipeline, as Beam's command line takes them, such as "--runner=DirectRunner".
      retry: whether clips that could not be decoded are tried again.
    """
    converter = converter.from_files()
    settings = converter.decoding_settings()
    remove_drafts(cache.note(settings), time.time() - _ABANDONED_S)
    clips = {(each.media, each.start_s, each.end_s): each for each in references}
    wanted = [dataclasses.replace(each, questions=()) for each in clips.values()]
    absent = [each for each in wanted if not cache.holds(each, settings)]
    waiting = [each for each in absent if retry or not cache.broken(each, settings)]
    if waiting:
        with _progress(waiting, cache, settings):
            for first in range(0, len(waiting), _ROUND):
                _run(waiting[first : first + _ROUND], converter, cache, options)
    left = [each for each in absent if not cache.holds(each, settings)]
    reasons = [(each.media, cache.broken(each, settings)) for each in left]
    broken = [(media, reason) for media, reason in reasons if reason]
    return Filled(
        clips=len(wanted),
        before=len(wanted) - len(absent),
        broken=broken,
        missing=len(left) - len(broken),
    )


def _run(
    clips: Sequence[ClipReference], converter: Converter, cache: MediaCache, options: Sequence[str]
) -> None:
    with beam.Pipeline(options=PipelineOptions(list(options))) as pipeline:
        (
            pipeline
            | "references" >> beam.Create(clips)
            | "deal out" >> beam.Reshuffle()
            | "decode" >> beam.ParDo(_Fill(cache, converter))
        )


@contextlib.contextmanager
def _progress(
    clips: Sequence[ClipReference], cache: MediaCache, settings: Settings
) -> Iterator[None]:
    """Shows how many of the clips are done, as the folder says: runners do not tell."""
    over = threading.Event()

    def look() -> None:
        left = list(clips)
        with progress_bar(total=len(left), title="decoding", unit="clip") as bar:
            while not over.wait(_LOOK_S):
                before = len(left)
                left = [each for each in left if not cache.settled(each, settings)]
                bar.update(before - len(left))
            bar.update(len([each for each in left if cache.settled(each, settings)]))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
