import av
import numpy as np
import pytest
from toy_media import click_times, frame_numbers, write_media

from mirasol.data import frames
from mirasol.data.media import MediaError, clip_span, decode_audio, decode_video


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("media")


@pytest.fixture(scope="module")
def clip(folder):
    return str(write_media(folder / "clip.mp4"))


@pytest.fixture(scope="module")
def long(folder):
    return str(write_media(folder / "long.mp4", frames=100))


def shown(path, times_s, size=32):
    return frame_numbers(decode_video(path, times_s, size)).tolist()


def test_each_moment_shows_the_frame_that_is_on_screen(clip):
    assert shown(clip, (np.arange(24) + 0.5) / 25) == list(range(24))
    assert shown(clip, [0.0, 0.039, 0.041, 0.08, 0.12]) == [0, 0, 1, 2, 3]


@pytest.mark.parametrize("name", ["still.png", "still.jpg"])
def test_a_still_picture_is_no_video(folder, name):
    codec, pixels = {"png": ("png", "rgb24"), "jpg": ("mjpeg", "yuvj420p")}[name[-3:]]
    path = folder / name
    with av.open(str(path), "w", format="image2") as container:
        picture = container.add_stream(codec)
        picture.width, picture.height, picture.pix_fmt = 64, 48, pixels
        frame = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")
        container.mux([*picture.encode(frame), *picture.encode(None)])
    with pytest.raises(MediaError, match=f"{name}: .* a still picture is no video"):
        clip_span(str(path), None, None)


def test_times_may_repeat_and_leave_frames_out(clip):
    assert shown(clip, [0.1, 0.1, 0.5, 0.9, 0.9]) == [2, 2, 12, 22, 22]


def test_before_the_first_and_after_the_last_frame_those_stay(clip):
    assert shown(clip, [-1.0, 5.0]) == [0, 31 % 24]


def test_pictures_are_square_rgb(clip):
    pictures = decode_video(clip, [0.0], 20)
    assert pictures.shape == (1, 20, 20, 3)
    assert pictures.dtype == np.uint8


def test_a_late_start_is_as_right_as_an_early_one(long):
    times_s = 3.0 + (np.arange(8) + 0.5) / 25
    assert shown(long, times_s) == [(75 + i) % 24 for i in range(8)]


def test_uneven_presentation_times_are_followed(folder):
    # Frames at 0, 3, 4, 10, 11 and 12 ticks of 40 ms: what is asked is a time, not an index.
    stamps = [0, 3, 4, 10, 11, 12]
    path = str(write_media(folder / "uneven.mkv", frames=6, stamps=stamps, audio=False))
    assert shown(path, (np.arange(12) + 0.5) / 25) == [0, 0, 0, 1, 2, 2, 2, 2, 2, 2, 3, 4]


@pytest.mark.parametrize("rate, layout", [(16_000, "mono"), (44_100, "stereo"), (48_000, "mono")])
def test_clicks_are_heard_when_they_sound(folder, rate, layout):
    path = str(write_media(folder / f"clicks_{rate}.mp4", frames=75, rate=rate, layout=layout))
    samples = decode_audio(path, 0.0, 3.0, 16_000)
    assert samples.shape == (48_000,)
    assert samples.dtype == np.float32
    heard = click_times(samples)
    assert np.allclose(heard, np.arange(0.1, 3.0, 0.32), atol=0.002), heard
    assert 0.35 < np.abs(samples).max() < 0.7


@pytest.mark.parametrize("name", ["clicks.mp4", "clicks.mkv"])
def test_clicks_keep_their_time_after_a_seek(folder, name):
    rate = 48_000 if name.endswith("mkv") else 16_000
    path = str(write_media(folder / name, frames=200, rate=rate))
    heard = click_times(decode_audio(path, 5.0, 7.0, 16_000))
    expected = np.arange(0.1, 8.0, 0.32) - 5.0
    assert np.allclose(heard, expected[(expected > 0) & (expected < 2)], atol=0.002), heard


def test_outside_the_track_there_is_silence(clip):
    samples = decode_audio(clip, -0.5, 3.0, 16_000)
    assert len(samples) == 56_000
    assert not samples[:8_000].any()
    assert not samples[-16_000:].any()
    assert click_times(samples)[0] == pytest.approx(0.6, abs=0.002)


def test_the_span_is_the_pictures(folder, clip):
    assert clip_span(clip, None, None) == pytest.approx((0.0, 1.28))
    assert clip_span(clip, 0.5, 99.0) == pytest.approx((0.5, 1.28))
    sound = str(write_media(folder / "sound.m4a", frames=50, video=False))
    assert clip_span(sound, None, None) == pytest.approx((0.0, 2.0), abs=0.07)


@pytest.mark.parametrize("start_s, end_s", [(2.0, None), (1.0, 0.5), (-1.0, 1.0)])
def test_a_span_outside_the_file_is_refused(clip, start_s, end_s):
    with pytest.raises(MediaError, match=r"clip\.mp4: the clip from .* outside .* 1\.28 s"):
        clip_span(clip, start_s, end_s)


def test_missing_and_broken_files_are_named(folder, clip):
    with pytest.raises(MediaError, match=r"gone\.mp4: no such file"):
        decode_video(str(folder / "gone.mp4"), [0.0], 16)
    broken = folder / "broken.mp4"
    broken.write_bytes(b"not a film" * 100)
    with pytest.raises(MediaError, match=r"broken\.mp4: it cannot be decoded \(Invalid data"):
        decode_audio(str(broken), 0.0, 1.0, 16_000)
    cut = folder / "cut.mp4"
    cut.write_bytes((folder / "clip.mp4").read_bytes()[:2000])
    with pytest.raises(MediaError, match=r"cut\.mp4: it cannot be decoded"):
        decode_video(str(cut), [0.0], 16)


def test_a_missing_stream_is_named(folder):
    silent = str(write_media(folder / "silent.mp4", audio=False))
    with pytest.raises(MediaError, match="has no sound"):
        decode_audio(silent, 0.0, 1.0, 16_000)
    blind = str(write_media(folder / "blind.m4a", video=False))
    with pytest.raises(MediaError, match="has no pictures"):
        decode_video(blind, [0.0], 16)


def test_long_sound_in_blocks_is_resampled_as_in_one(folder, monkeypatch):
    path = str(write_media(folder / "blocks.mp4", frames=75, rate=44_100))
    whole = decode_audio(path, 0.0, 3.0, 16_000)
    monkeypatch.setattr(frames, "_BLOCK", 1000)
    assert np.allclose(decode_audio(path, 0.0, 3.0, 16_000), whole, atol=1e-6)
