"""What is kept comes back; what has changed since does not."""

from __future__ import annotations

import dataclasses
import inspect
import os
import pickle

import numpy as np
import pytest
from builders import SHAPE, assert_same, clip, converter
from toy_media import write_media

from mirasol import config
from mirasol.data.converter import Converter
from mirasol.data.media import MediaError
from mirasol.data.media_cache import codec
from mirasol.data.media_cache.cache import MediaCache, MissingEntryError
from mirasol.data.media_cache.entries import DamagedEntryError, remove_drafts
from mirasol.data.media_cache.settings import clip_name
from mirasol.data.sampling import FixedRateSampling, RandomSegmentSampling
from mirasol.data.spectrogram import LogMel

# Parameters that change nothing of what `decode` returns.
AFTER_DECODING = {"vocabulary", "cache_bytes", "media_cache"}
SHORT = {"frame_rate"}  # For a sampling.


@pytest.fixture
def cache(tmp_path):
    return MediaCache(str(tmp_path / "cache"))


def filled(cache, reference, maker=converter):
    decoding = maker().from_files()
    cache.note(decoding.decoding_settings())
    cache.fill(reference, decoding.decoding_settings(), decoding.decode)
    return decoding.decode(reference)


@pytest.mark.parametrize("streams", [{}, {"audio": False}, {"video": False}])
def test_what_comes_back_is_what_was_decoded(cache, media, streams):
    path = write_media(media.parent / "part.mp4", frames=26, **streams)
    wanted = filled(cache, clip(path))
    got = converter(cache).decode(clip(path))
    assert_same(got, wanted, codec.MEAN_DIFFERENCE)
    assert got["has_video_T"].tolist() == [bool(streams.get("video", True))] * 4


def test_the_media_file_is_not_opened(cache, media):
    wanted = filled(cache, clip(media, 0.2, 1.0))
    before = media.stat()
    media.write_bytes(b"\0" * before.st_size)
    os.utime(media, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert_same(converter(cache).decode(clip(media, 0.2, 1.0)), wanted, codec.MEAN_DIFFERENCE)


CHANGED = {
    "rate": {"frame_rate": 12.5},
    "spread": {"frame_rate": None},
    "sampling": {"frame_rate": None, "sampling": FixedRateSampling(12.5)},
    "video": {"video": False},
    "audio": {"audio": False},
    "window": {"spectrogram": LogMel(mel_bins=24, window_s=0.05)},
    "mean": {"spectrogram": LogMel(mel_bins=24, mean_db=-40.0)},
}


@pytest.mark.parametrize("name", CHANGED)
def test_a_changed_setting_reads_nothing_old(cache, media, name):
    filled(cache, clip(media))
    changed = converter(cache, **CHANGED[name])
    with pytest.raises(MissingEntryError, match="holds clips of other settings") as error:
        changed.decode(clip(media))
    assert ", not " in str(error.value)


@pytest.mark.parametrize("size", ["chunks", "chunk_frames", "image_size", "chunk_bands"])
def test_a_changed_size_reads_nothing_old(cache, media, size):
    filled(cache, clip(media))
    shape = dataclasses.replace(SHAPE, **{size: 2 * getattr(SHAPE, size)})
    changed = Converter(shape, None, 25.0, LogMel(mel_bins=24), media_cache=cache)
    with pytest.raises(MissingEntryError, match=f"{size}: {2 * getattr(SHAPE, size)}, not"):
        changed.decode(clip(media))


def test_every_parameter_of_a_converter_is_in_its_settings_or_comes_after():
    settings = set(converter().decoding_settings())
    known = AFTER_DECODING | SHORT | {"shape", "spectrogram", *settings}
    assert set(inspect.signature(Converter).parameters) - known == set()
    spectrogram = {name.removeprefix("spectrogram_") for name in settings}
    assert set(inspect.signature(LogMel).parameters) <= spectrogram


def test_a_sampling_that_draws_has_no_cache(cache):
    with pytest.raises(ValueError, match="RandomSegmentSampling draws another window each time"):
        converter(cache, frame_rate=None, sampling=RandomSegmentSampling(1.0))


def test_a_changed_file_reads_nothing_old(cache, media):
    filled(cache, clip(media))
    write_media(media, frames=24)
    with pytest.raises(MissingEntryError, match="its file has changed since"):
        converter(cache).decode(clip(media))
    filled(cache, clip(media))
    assert converter(cache).decode(clip(media))["has_video_T"].tolist() == [True] * 3 + [False]


@pytest.mark.parametrize("span", [(None, 1.0), (0.04, None), (0.0, None)])
def test_another_span_is_another_clip(cache, media, span):
    filled(cache, clip(media))
    with pytest.raises(MissingEntryError):
        converter(cache).decode(clip(media, *span))


def test_times_that_went_through_seqio_name_the_same_clip(cache, media):
    filled(cache, clip(media, 0.1, 0.7))
    times = (float(np.float32(time_s)) for time_s in (0.1, 0.7))
    assert converter(cache).decode(clip(media, *times))["has_video_T"].any()


def test_both_folders_may_move(cache, media, tmp_path, monkeypatch):
    before = clip_name(clip(media))
    moved = tmp_path.rename(tmp_path.with_name(f"{tmp_path.name}_moved"))
    monkeypatch.setenv("MIRASOL_DATA", str(moved))
    assert clip_name(clip(moved / "clip.mp4")) == before


def test_what_is_missing_is_an_error_or_decoded(cache, media):
    with pytest.raises(MissingEntryError, match=r"holds nothing; fill it .*cache_media\.py"):
        converter(cache).decode(clip(media))
    lenient = MediaCache(str(cache.folder), decode_missing=True)
    assert_same(converter(lenient).decode(clip(media)), converter().decode(clip(media)), 0)


def test_a_broken_file_is_kept_as_broken_until_it_changes(cache, media):
    media.write_bytes(b"no video")
    settings = converter().decoding_settings()
    cache.fill(clip(media), settings, converter().decode)
    assert "cannot be decoded" in cache.broken(clip(media), settings)
    assert cache.settled(clip(media), settings)
    for source in (cache, MediaCache(str(cache.folder), decode_missing=True)):
        with pytest.raises(MediaError, match=r"cannot be decoded.*val_qa.json row 7"):
            converter(source).decode(clip(media))
    write_media(media)
    assert not cache.settled(clip(media), settings)


def test_a_file_that_is_not_there_is_told_as_without_a_cache(cache, media):
    for source in (cache, converter().media_cache):
        with pytest.raises(MediaError, match=r"no such file \(asked for by val_qa.json row 7\)"):
            converter(source).decode(clip(media.with_name("none.mp4")))


def test_a_damaged_entry_is_refused_by_name(cache, media):
    filled(cache, clip(media))
    (entry,) = cache.folder.rglob("*.npz")
    entry.write_bytes(entry.read_bytes()[:-400])
    with pytest.raises(DamagedEntryError, match=entry.name):
        converter(cache).decode(clip(media))


def test_a_writer_that_is_stopped_leaves_nothing_under_the_name(cache, media, monkeypatch):
    def stopped(descriptor):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(os, "fsync", stopped)
        cache.fill(clip(media), converter().decoding_settings(), converter().decode)
    assert list(cache.folder.rglob("*.*")) == []


def test_what_a_killed_writer_left_is_removed_later(cache, media):
    filled(cache, clip(media))
    (entry,) = cache.folder.rglob("*.npz")
    draft = entry.with_suffix(".1234.tmp")
    draft.touch()
    remove_drafts(cache.folder, draft.stat().st_mtime - 60)
    assert draft.exists()
    remove_drafts(cache.folder, draft.stat().st_mtime + 60)
    assert not draft.exists()
    assert entry.exists()


def test_a_worker_gets_the_cache_with_its_converter(cache, media):
    filled(cache, clip(media))
    there = pickle.loads(pickle.dumps(converter(cache)))
    assert there.decode(clip(media))["has_video_T"].all()


def test_questions_alone_ask_no_cache(cache, media):
    assert not converter(cache, video=False, audio=False).decode(clip(media))["has_video_T"].any()


def test_one_gin_file_puts_a_run_on_a_cache(tmp_path):
    files = ["runs/av_shapes_tiny.gin", "data/media_cache.gin"]
    spec = config.load(files, [f"MEDIA_CACHE = '{tmp_path}/kept'"])
    (tmp_path / "alone.gin").write_text(spec.declared)
    for each in (spec, config.load([str(tmp_path / "alone.gin")])):
        experiment = each.build()
        assert experiment.converter.media_cache.folder == tmp_path / "kept"
        without = config.load(files[:1]).build().converter
        assert without.decoding_settings() == experiment.converter.decoding_settings()
