"""Strange files are read right, and of broken ones either what is right or an error is told.

Damaged copies are read by a process of its own, so that a crash or a hang of FFmpeg is seen.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest
from coded_media import Clip, click_times, numbers

from mirasol.data.media import MediaError, MediaFile, clip_span, decode_audio, decode_video

SECONDS = 2.0
TIMES_S = (np.arange(8) + 0.5) * SECONDS / 8
SHOWN = [int(time_s * 25) for time_s in TIMES_S]
CABAC = {"crf": "18", "preset": "veryfast"}
PCM = {"sound_codec": "pcm_s16le"}
DAMAGED = {
    "clip.mp4": Clip(options=CABAC, container={"movflags": "faststart"}),
    "clip.mkv": Clip(options=CABAC, sound_codec="libopus", rate=48_000),
    "clip.ts": Clip(options=CABAC, sound_codec="mp2", rate=48_000),
    "clip.avi": Clip(
        codec="mpeg4", options={"qscale": "3"}, width=160, height=160, rate=8_000, **PCM
    ),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("broken")


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.fixture(autouse=True)
def nothing_stays_open(folder):
    before = open_files()
    yield
    assert open_files() == before


def read(clip: Clip, path: Path) -> tuple[list[int], np.ndarray]:
    clip.write(path)
    shown = numbers(decode_video(str(path), TIMES_S, 48))
    heard = click_times(decode_audio(str(path), 0.0, SECONDS, 16_000))
    assert np.allclose(heard, [0.5, 1.5], atol=0.010), heard
    return shown, heard


ODD = {
    "mono_8_khz.mp4": Clip(rate=8_000),
    "96_khz.mp4": Clip(rate=96_000),
    "96_khz.mkv": Clip(rate=96_000, **PCM),
    "surround.mp4": Clip(layout="5.1", rate=48_000),
    "surround.mkv": Clip(layout="5.1", sound_codec="ac3", rate=48_000),
    "odd_size.mkv": Clip(width=67, height=45, pixels="yuv444p"),
    "portrait.mp4": Clip(width=36, height=128),
    "thousand_wide.mp4": Clip(width=1024, height=16),
    "high_4_2_2.mp4": Clip(pixels="yuv422p10le"),
    "ffv1.mkv": Clip(codec="ffv1", options={}, pixels="bgr0"),
    "mjpeg.avi": Clip(codec="mjpeg", options={"qscale": "2"}, pixels="yuvj420p", **PCM),
    "mpeg2.ts": Clip(codec="mpeg2video", options={"qscale": "2"}, sound_codec="ac3", rate=48_000),
    "short_sound.mp4": Clip(frames=100, sound_s=2.2),
    "short_sound.mkv": Clip(frames=100, sound_s=2.2, **PCM),
    "long_sound.mp4": Clip(sound_s=4.0),
    "long_sound.mkv": Clip(sound_s=4.0, **PCM),
}


@pytest.mark.parametrize("name", ODD)
def test_an_odd_file_is_read_right(folder, name):
    clip = ODD[name]
    shown, _ = read(clip, folder / name)
    # A transport stream begins with the sound's run-up, up to a frame earlier.
    off = np.subtract(SHOWN, shown)
    assert set(off.tolist()) <= ({0, 1} if name.endswith(".ts") else {0}), shown


@pytest.mark.parametrize("name", ["short_sound.mp4", "short_sound.mkv"])
def test_sound_that_ends_early_has_its_own_end(folder, name):
    path = ODD[name].write(folder / name)
    with MediaFile(path) as media:
        assert media.video_end_s == pytest.approx(4.0, abs=0.01)
        assert media.audio_end_s == pytest.approx(2.2, abs=0.07)
        assert not media.audio(2.5, 4.0, 16_000).any()


@pytest.mark.parametrize("name", ["long_sound.mp4", "long_sound.mkv"])
def test_pictures_that_end_early_have_their_own_end(folder, name):
    path = ODD[name].write(folder / name)
    with MediaFile(path) as media:
        assert media.video_end_s == pytest.approx(2.0, abs=0.01)
        assert media.span(None, None) == pytest.approx((0.0, 2.0), abs=0.01)
        assert numbers(media.video([1.0, 3.5], 48)) == [25, 49]


def test_one_pixel(folder):
    path = folder / "pixel.mkv"
    Clip(width=1, height=1, codec="ffv1", options={}, pixels="bgr0").write(path)
    pictures = decode_video(str(path), [0.0, 0.06, 0.14], 32)
    # One pixel is the number's lowest bit.
    assert pictures.mean(axis=(1, 2, 3)).round().tolist() == [40, 215, 215]


def test_4k(folder):
    path = Clip(frames=2, width=3840, height=2160, sound_s=0).write(folder / "4k.mp4")
    assert numbers(decode_video(path, [0.0, 0.05], 224)) == [0, 1]


def test_no_pictures_and_no_sound(folder):
    silent = Clip(sound_s=0).write(folder / "silent.mp4")
    with pytest.raises(MediaError, match=r"silent\.mp4: it has no sound"):
        decode_audio(silent, 0.0, 1.0, 16_000)
    blind = Clip(frames=0, sound_s=2.0).write(folder / "blind.mp4")
    assert clip_span(blind, None, None) == pytest.approx((0.0, 2.0), abs=0.07)
    with pytest.raises(MediaError, match=r"blind\.mp4: it has no pictures"):
        decode_video(blind, [0.0], 32)


def test_an_empty_file_and_one_of_noise(folder):
    (folder / "empty.mp4").touch()
    with pytest.raises(MediaError, match=r"empty\.mp4: it is empty"):
        clip_span(str(folder / "empty.mp4"), None, None)
    (folder / "noise.mp4").write_bytes(random.Random(0).randbytes(50_000))
    with pytest.raises(MediaError, match=r"noise\.mp4: it "):
        clip_span(str(folder / "noise.mp4"), None, None)


@pytest.mark.parametrize("extension", ["avi", "mkv", "txt", "m3u8", "png"])
def test_an_extension_does_not_matter(folder, extension):
    whole = Path(Clip().write(folder / "right.mp4"))
    wrong = whole.rename(folder / f"wrong.{extension}")
    assert numbers(decode_video(str(wrong), TIMES_S, 48)) == SHOWN


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_a_turned_picture_is_turned_upright(folder, degrees):
    path = folder / f"turned_{degrees}.mp4"
    Clip(sound_s=0, width=48).write(path)
    cosine, sine = {0: (1, 0), 90: (0, 1), 180: (-1, 0), 270: (0, -1)}[degrees]
    data = path.read_bytes()
    upright = matrix(1, 0)
    at = data.index(upright, data.index(b"tkhd"))  # The header's own comes before.
    path.write_bytes(data[:at] + matrix(cosine, sine) + data[at + len(upright) :])
    lying = decode_video(str(folder / "turned_0.mp4"), TIMES_S, 48)
    # The matrix turns clockwise.
    expected = np.rot90(lying, -degrees // 90, axes=(1, 2))
    assert np.array_equal(decode_video(str(path), TIMES_S, 48), expected)
    assert degrees == 0 or not np.array_equal(expected, lying)


def matrix(cosine: int, sine: int) -> bytes:
    """Returns the 3 x 3 matrix of an mp4's track header, in 16.16 and 2.30 fixed point."""
    one = 1 << 16
    rows = [cosine * one, sine * one, 0, -sine * one, cosine * one, 0, 0, 0, 1 << 30]
    return b"".join(value.to_bytes(4, "big", signed=True) for value in rows)


def test_a_cover_is_no_video(folder):
    path = folder / "song.mp3"
    with av.open(str(path), "w") as container:
        sound = container.add_stream("libmp3lame", rate=44_100)
        cover = container.add_stream("mjpeg")
        cover.width, cover.height, cover.pix_fmt = 64, 64, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        frame = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")
        samples = av.AudioFrame.from_ndarray(np.zeros((1, 88_200), np.int16), "s16", "mono")
        samples.sample_rate = 44_100
        container.mux([*cover.encode(frame), *cover.encode(None)])
        container.mux([*sound.encode(samples), *sound.encode(None)])
    with MediaFile(str(path)) as media:
        assert media.video_end_s == 0.0
        assert media.audio_end_s == pytest.approx(2.0, abs=0.1)


def test_a_tag_in_another_alphabet_is_no_damage(folder):
    path = folder / "tagged.mkv"
    with av.open(str(path), "w") as container:
        container.metadata["title"] = "QQQQ"
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for _ in range(5):
            container.mux(stream.encode(av.VideoFrame(64, 64, "yuv420p")))
        container.mux(stream.encode(None))
    data = path.read_bytes()
    assert data.count(b"QQQQ") == 1
    path.write_bytes(data.replace(b"QQQQ", "Ärgä".encode("latin-1")))
    assert decode_video(str(path), [0.0], 16).shape == (1, 16, 16, 3)


def test_sound_that_is_none_is_an_error(folder):
    path = folder / "floats.wav"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_f32le", rate=16_000)
        stream.layout = "mono"
        samples = np.zeros((1, 16_000), np.float32)
        samples[0, 100] = np.nan
        frame = av.AudioFrame.from_ndarray(samples, "flt", "mono")
        frame.sample_rate = 16_000
        container.mux([*stream.encode(frame), *stream.encode(None)])
    with pytest.raises(MediaError, match="values that are no sound"):
        decode_audio(str(path), 0.0, 1.0, 16_000)
    assert not decode_audio(str(path), 0.5, 1.0, 16_000).any()


def test_a_length_that_cannot_be_is_an_error(folder):
    path = folder / "endless.mkv"
    Clip(sound_s=0).write(path)
    data = path.read_bytes()
    length = b"00:00:02.000000000"
    assert data.count(length) == 1
    path.write_bytes(data.replace(length, b"99:00:02.000000000"))
    with pytest.raises(MediaError, match=r"endless\.mkv: it states a length of 356402 s"):
        clip_span(str(path), 0.0, 5.0)


def outcomes(paths: list[Path]) -> list[dict]:
    """Returns what a process of its own makes of files; fails if it dies or takes too long."""
    command = [sys.executable, str(Path(__file__).parent / "damaged_reader.py"), str(SECONDS)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [*command, *map(str, paths)], env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, (done.returncode, done.stderr[-2000:])
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(rows) == len(paths)
    for row in rows:
        assert row["leaked"] == 0
        assert row["took_s"] < 5.0
        assert not row.get("black")
        assert row.get("finite", True)
        assert row.get("named", True)
        assert row.get("reason", "told")
    return rows


def is_right(row: dict, early: int) -> bool:
    """Whether pictures are those of their times, or up to `early` frames before."""
    if "shown" not in row:
        return False
    wanted = np.array(row["times_s"]) * 25
    off = np.floor(wanted) - np.array(row["shown"])
    return bool(((off >= 0) & (off <= early)).all())


@pytest.mark.parametrize("name", DAMAGED)
def test_a_truncated_file_gives_what_it_has_or_an_error(folder, name):
    whole = Path(DAMAGED[name].write(folder / name))
    data = whole.read_bytes()
    paths = []
    for part in range(20):
        path = folder / f"cut_{part:02}_{name}"
        path.write_bytes(data[: len(data) * part // 20])
        paths.append(path)
    first, *rows = outcomes([whole, *paths])
    # The others state no length once they are cut, and their last frames may need what is gone.
    states_length = name in ("clip.mp4", "clip.mkv")
    early = 0 if states_length else 4
    assert is_right(first, early), first
    assert len(first["shown"]) == 16
    wrong = [row for row in rows if "reason" not in row and not is_right(row, early)]
    assert wrong == []
    assert sum("reason" in row for row in rows) >= (18 if states_length else 1)


@pytest.mark.parametrize("name", DAMAGED)
def test_of_flipped_bytes_few_go_unseen(folder, name):
    # Most containers have no checksums: a flipped byte can give another valid file (docs/media.md).
    whole = Path(DAMAGED[name].write(folder / name))
    data, chance = whole.read_bytes(), random.Random(20)
    paths = []
    for number in range(75):
        copy = bytearray(data)
        copy[chance.randrange(len(copy))] ^= chance.randrange(1, 256)
        path = folder / f"flip_{number:02}_{name}"
        path.write_bytes(copy)
        paths.append(path)
    rows = outcomes(paths)
    early = 1 if name.endswith(".ts") else 0
    right = sum(is_right(row, early) for row in rows)
    errors = sum("reason" in row for row in rows)
    assert errors > 0
    assert right > 0
    assert right + errors >= 0.9 * len(rows), (right, errors)
