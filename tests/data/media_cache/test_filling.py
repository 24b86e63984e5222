"""A task is cached by Beam's direct runner, broken off and gone on with, and trained from."""

from __future__ import annotations

import dataclasses
import json
import runpy
import sys
from pathlib import Path

import pytest
import torch
from builders import clip, converter
from toy_media import write_media

from mirasol.data.loader import evaluation_batches
from mirasol.data.media_cache import codec
from mirasol.data.media_cache.cache import MediaCache
from mirasol.data.media_cache.filling import DIRECT_RUNNER, Filled, fill
from mirasol.data.splits import splits_of
from mirasol.data.task_service import TaskService

HERE = (f"--runner={DIRECT_RUNNER}", "--direct_running_mode=in_memory")
main = runpy.run_path(str(Path(__file__).parents[3] / "tools/cache_media.py"))["main"]


class StoppedError(RuntimeError):
    """As if the process were stopped."""


@pytest.fixture
def calls(monkeypatch):
    """The clips that are decoded, in turn."""
    made = []
    fill_one = MediaCache.fill

    def noted(self, reference, settings, decode):
        made.append(reference)
        fill_one(self, reference, settings, decode)

    monkeypatch.setattr(MediaCache, "fill", noted)
    return made


@pytest.fixture
def manifest(media, monkeypatch):
    """The task `manifest`: five clips of one file."""
    rows = [{"media": media.name, "start": 0.04 * i, "label": f"gull {i}"} for i in range(5)]
    path = media.with_name("mine.jsonl")
    path.write_text("\n".join(map(json.dumps, rows)))
    monkeypatch.setenv("MIRASOL_MANIFEST", str(path))


def assert_same_batch(got, wanted) -> None:
    for field in dataclasses.fields(wanted):
        ours, theirs = getattr(got, field.name), getattr(wanted, field.name)
        if field.name == "video_BTFHWC":
            assert (ours.float() - theirs.float()).abs().mean() <= codec.MEAN_DIFFERENCE
        else:
            assert torch.equal(ours, theirs), field.name


def test_a_task_is_cached_in_two_goes_and_read(manifest, tmp_path, monkeypatch, calls):
    cache = MediaCache(str(tmp_path / "cache"))
    (split,) = splits_of("manifest", "train", TaskService, 0)
    references = list(split.clips())
    with monkeypatch.context() as patch:
        patch.setattr(codec, "encode", stopping(codec.encode, after=2))
        with pytest.raises(Exception, match="StoppedError"):
            fill(references, converter(cache), cache, HERE)
    assert len(list(cache.folder.rglob("*.npz"))) == 2
    calls.clear()
    assert fill(references, converter(cache), cache, HERE) == Filled(5, 2, [], 0)
    assert len(calls) == 3
    calls.clear()
    assert fill(references * 2, converter(cache), cache, HERE) == Filled(5, 5, [], 0)
    assert calls == []
    got, wanted = (
        made.batch([made.example(each, each.questions) for each in references])
        for made in (converter(cache), converter())
    )
    assert got.has_audio_BT.any()
    assert_same_batch(got, wanted)


@pytest.mark.slow
def test_a_loader_reads_what_is_kept(service, toy_root, tmp_path, monkeypatch):
    monkeypatch.setenv("MIRASOL_DATA", str(toy_root))
    cache = MediaCache(str(tmp_path / "cache"))
    fill(service.references("toy_red", "validation"), converter(cache), cache, HERE)
    stream = evaluation_batches(
        "toy_red", "validation", converter(cache), 4, task_modules=("toy_tasks",)
    )
    got, clips = next(stream)
    stream.close()
    wanted = converter().batch([converter().example(each, each.questions) for each in clips])
    assert len(clips) == 4
    assert_same_batch(got, wanted)


def stopping(function, after: int):
    """Returns the function; it works so many times."""
    left = [after]

    def stops(*arguments):
        left[0] -= 1
        if left[0] < 0:
            raise StoppedError("StoppedError")
        return function(*arguments)

    return stops


def test_broken_files_are_told_and_tried_again_when_asked(media, calls):
    broken = media.with_name("broken.mp4")
    broken.write_bytes(b"no video")
    cache = MediaCache(str(media.parent / "cache"))
    clips = [clip(media), clip(broken), clip(media.with_name("none.mp4"))]
    filled = fill(clips, converter(), cache, HERE)
    assert (filled.before, filled.missing, len(filled.broken)) == (0, 0, 2)
    assert dict(filled.broken)[str(media.with_name("none.mp4"))] == "no such file"
    assert len(calls) == 2
    calls.clear()
    assert len(fill(clips, converter(), cache, HERE).broken) == 2
    assert calls == []
    fill(clips, converter(), cache, HERE, retry=True)
    assert [each.media for each in calls] == [str(broken), str(media.with_name("none.mp4"))]


def test_the_script_fills_what_a_run_reads(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MIRASOL_DATA", str(tmp_path))
    write_media(tmp_path / "clip.mp4")
    manifest = tmp_path / "mine.jsonl"
    manifest.write_text('{"media": "clip.mp4", "label": "gull"}\n')
    line = ["--gin_file=runs/manifest.gin", "--gin_file=data/media_cache.gin"]
    line += [f"--gin.MANIFEST='{manifest}'", f"--gin.MEDIA_CACHE='{tmp_path / 'cache'}'"]
    assert main([*line, "--", "--direct_running_mode=in_memory", "--direct_num_workers=1"]) == 0
    assert "1 clips: 0 were there, 1 decoded, 0 broken, 0 still missing" in capsys.readouterr().out
    assert "tensorflow" not in sys.modules
    assert len(list((tmp_path / "cache").rglob("*.npz"))) == 1


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("--gin_file=runs/av_shapes_tiny.gin", "data/media_cache.gin"),
        ("--gin_file=runs/av_shapes_tiny.gin --task=msvd_qa", "--split"),
    ],
)
def test_a_mistake_of_the_scripts_caller_is_one_line(line, said, capsys):
    assert main(line.split()) == 2
    err = capsys.readouterr().err
    assert err.startswith("cache_media: ")
    assert err.count("\n") == 1
    assert said in err
