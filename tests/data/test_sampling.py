"""What is asked for is what comes: by the numbers in the frames and the clicks in the sound."""

from __future__ import annotations

import time

import numpy as np
import pytest
from coded_media import CLICK_S, Clip, click_times, numbers, rewrap

from mirasol.batch import ExampleShape
from mirasol.data.converter import Converter
from mirasol.data.media import MediaFile
from mirasol.data.references import ClipReference, Question
from mirasol.data.sampling import FixedRateSampling, RandomSegmentSampling, UniformSampling

SHAPE = ExampleShape(
    chunks=4,
    chunk_frames=4,
    image_size=48,
    chunk_bands=32,
    mel_bins=64,
    questions=1,
    prompt_length=4,
    answer_length=4,
)
SAMPLINGS = {
    "uniform": UniformSampling(),
    "rate_2": FixedRateSampling(2.0),
    "rate_8": FixedRateSampling(8.0),
    "rate_25": FixedRateSampling(25.0),
    "segment_3": RandomSegmentSampling(3.0),
}
# Frames that stand for 40 to 600 ms, as a screen recorder writes them.
UNEVEN_S = np.cumsum([0, *np.random.default_rng(3).integers(40, 600, 40)]) / 1000
OPUS = {"sound_codec": "libopus", "rate": 48_000}
CLIPS = {
    "even.mp4": Clip(frames=250, gop=30),
    "long_gop.mp4": Clip(frames=250, gop=250, options={"preset": "medium", "bf": "3"}),
    "ntsc.mp4": Clip(frames=300, fps=30, gop=48),
    "uneven.mp4": Clip(stamps_s=list(UNEVEN_S)),
    "uneven.mkv": Clip(stamps_s=list(UNEVEN_S), **OPUS),
    "even.mkv": Clip(frames=250, **OPUS),
    "late.mp4": Clip(frames=250, start_s=5.0),
    "late.mkv": Clip(frames=250, start_s=5.0, **OPUS),
    "late.ts": Clip(frames=250, start_s=5.0),
    "even.avi": Clip(
        frames=250, codec="mpeg4", options={"qscale": "3"}, sound_codec="pcm_s16le", rate=44_100
    ),
}
# AAC puts 1024 samples of its own before the sound. In files that begin later nothing says that
# they are not to be heard, so there the file begins with them.
BEFORE_S = {"late.mp4": 0.064, "late.ts": 0.064}
SPANS_S = [(None, None), (0.0, 6.0), (3.3, None), (2.02, 9.13), (7.7, 8.3)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sampling")
    for name, clip in CLIPS.items():
        clip.write(folder / name)
    return folder


def reference(path, start_s=None, end_s=None) -> ClipReference:
    question = Question("1", "what", "that", "what", {})
    return ClipReference(str(path), start_s, end_s, (question,), "row 1")


def require_on_screen(shown: list[int], times_s: np.ndarray, clip: Clip) -> None:
    """Asserts that each time lies within half a frame of the middle of its frame's own time."""
    begins_s, ends_s = clip.shown_s[:-1][shown], clip.shown_s[1:][shown]
    off_s = np.abs(times_s - (begins_s + ends_s) / 2)
    assert (off_s <= (ends_s - begins_s) / 2 + 2e-3).all(), (shown, times_s.tolist())


@pytest.mark.parametrize("sampling", SAMPLINGS)
@pytest.mark.parametrize("name", CLIPS)
def test_frames_are_those_asked_for(folder, name, sampling):
    clip, path = CLIPS[name], folder / name
    converter = Converter(SHAPE, sampling=SAMPLINGS[sampling], audio=False)
    with MediaFile(str(path)) as media:
        file_end_s = media.video_end_s
    before_s = BEFORE_S.get(name, 0.0)
    assert file_end_s == pytest.approx(before_s + clip.shown_s[-1], abs=0.01)
    for seed, (start_s, end_s) in enumerate(SPANS_S):
        clip_s = (start_s or 0.0, file_end_s if end_s is None else end_s)
        first_s, length_s = converter.window(*clip_s, np.random.default_rng(seed))
        example = converter.decode(reference(path, start_s, end_s), np.random.default_rng(seed))
        times_s = first_s + (np.arange(16) + 0.5) * length_s / 16
        present = np.repeat(example["has_video_T"], 4)
        assert present.tolist() == np.repeat(times_s[::4] < clip_s[1], 4).tolist()
        shown = numbers(example["video_TFHWC"].reshape(16, 48, 48, 3)[present])
        # What lies beyond the end stays at the clip's last frame.
        wanted_s = np.minimum(times_s[present], clip_s[1] - 1e-3) - before_s
        require_on_screen(shown, np.maximum(wanted_s, 0.0), clip)


@pytest.mark.parametrize("name", CLIPS)
def test_clicks_are_heard_to_10_ms(folder, name):
    with MediaFile(str(folder / name)) as media:
        for start_s, end_s in [(0.0, 9.0), (3.3, 9.0), (6.02, 8.2), (7.3, 7.7), (-1.0, 2.0)]:
            heard = start_s + click_times(media.audio(start_s, end_s, 16_000))
            clicks = BEFORE_S.get(name, 0.0) + np.arange(CLICK_S, 9.0, 1.0)
            wanted = clicks[(clicks > start_s) & (clicks < end_s - 0.006)]
            assert np.allclose(heard, wanted, atol=0.010), (start_s, end_s, heard)


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_columns_of_sound_stand_where_the_frames_do(folder, sampling):
    converter = Converter(SHAPE, sampling=SAMPLINGS[sampling], video=False)
    rng = np.random.default_rng
    example = converter.decode(reference(folder / "even.mp4"), rng(7))
    first_s, length_s = converter.window(0.0, 10.0, rng(7))
    hop_s = length_s / 128
    loudness = example["audio_TAS"].mean(axis=-1).reshape(-1)
    clicks_s = np.arange(CLICK_S, 10.0, 1.0)
    clicks_s = clicks_s[(clicks_s > first_s + 0.05) & (clicks_s < first_s + length_s - 0.05)]
    quiet = np.median(loudness)
    for click_s in clicks_s:
        at = (click_s + 0.0025 - first_s) / hop_s  # The middle of the click, in columns.
        near = loudness[max(0, int(at) - 2) : int(at) + 3]
        assert near.max() > quiet + 0.3, click_s
        # A column hears a window of 25 ms, or all of its hop if that is longer.
        peak = max(0, int(at) - 2) + near.argmax() + 0.5
        assert abs(peak - at) * hop_s <= hop_s / 2 + 0.0125 + 0.010


def test_fixed_rate_leaves_out_what_is_beyond():
    assert FixedRateSampling(8.0).window(3.0, 90.0, 32) == (3.0, 4.0)
    assert FixedRateSampling(8.0).window(3.0, 4.0, 32) == (3.0, 4.0)
    assert not FixedRateSampling(8.0).draws


def test_uniform_takes_all():
    assert UniformSampling().window(3.0, 3600.0, 32, np.random.default_rng(0)) == (3.0, 3597.0)
    assert not UniformSampling().draws


def test_a_random_segment_lies_in_the_clip_and_is_drawn_evenly():
    sampling = RandomSegmentSampling(8.0)
    rng = np.random.default_rng(5)
    begins = np.array([sampling.window(10.0, 50.0, 32, rng)[0] for _ in range(4000)])
    assert begins.min() >= 10.0
    assert begins.max() <= 42.0
    counts, _ = np.histogram(begins, 8, (10.0, 42.0))
    assert (np.abs(counts - 500) < 100).all(), counts  # Four and a half deviations.
    assert sampling.window(10.0, 50.0, 32, rng)[1] == 8.0


def test_a_random_segment_is_its_generators():
    window = RandomSegmentSampling(8.0).window
    first, again, other = (
        window(0.0, 60.0, 32, np.random.default_rng((1, 0, number))) for number in (5, 5, 6)
    )
    assert first == again
    assert first != other
    assert window(0.0, 60.0, 32) == (26.0, 8.0)
    assert window(1.0, 6.0, 32, np.random.default_rng(0)) == (1.0, 5.0)


def test_drawn_segments_are_not_kept_and_the_middle_is(folder):
    converter = Converter(SHAPE, sampling=RandomSegmentSampling(1.0), cache_bytes=10**7)
    clip = reference(folder / "even.mp4")
    first, second = (converter.decode(clip, np.random.default_rng(seed)) for seed in (1, 2))
    assert (first["video_TFHWC"] != second["video_TFHWC"]).any()
    example = converter.example(clip, clip.questions, np.random.default_rng(1))
    assert (example["video_TFHWC"] == first["video_TFHWC"]).all()
    assert converter.decode(clip) is converter.decode(clip)
    assert converter.decode(clip, np.random.default_rng(1)) is not converter.decode(clip)


@pytest.mark.parametrize("make", [FixedRateSampling, RandomSegmentSampling])
@pytest.mark.parametrize("number", [0.0, -1.0, float("nan")])
def test_a_number_out_of_range_is_refused(make, number):
    with pytest.raises(ValueError, match=rf"{make.__name__}\(.*must be above 0"):
        make(number)


def test_two_ways_to_say_it_are_one_too_many():
    with pytest.raises(ValueError, match=r"frame_rate=2\.0, sampling=UniformSampling"):
        Converter(SHAPE, frame_rate=2.0, sampling=UniformSampling())
    assert Converter(SHAPE, frame_rate=2.0).window(0.0, 60.0) == (0.0, 8.0)


@pytest.fixture(scope="module")
def two_hours_mp4(folder):
    """Two hours of a frame each four seconds, with sound."""
    stamps_s = [4.0 * index for index in range(1800)]
    clip = Clip(fps=1, stamps_s=stamps_s, gop=30, rate=8_000, cycled=True)
    return clip.write(folder / "two_hours.mp4")


@pytest.fixture(params=["mp4", "mkv"])
def two_hours(request, two_hours_mp4, folder):
    """The same as mp4 and as Matroska."""
    path = folder / f"two_hours.{request.param}"
    if not path.exists():
        rewrap(two_hours_mp4, str(path))
    return str(path)


def test_the_end_of_two_hours_is_read_within_a_second(two_hours):
    begun_s = time.process_time()
    with MediaFile(two_hours) as media:
        times_s = 7180.5 + np.arange(16)
        shown = numbers(media.video(times_s, 48))
        heard = 7180.0 + click_times(media.audio(7180.0, 7190.0, 16_000))
    assert time.process_time() - begun_s < 1.0
    assert shown == [int(time_s // 4) for time_s in times_s]
    # Here Matroska begins with the 1024 samples that AAC puts before the sound.
    before_s = 0.128 if two_hours.endswith("mkv") else 0.0
    assert np.allclose(heard, before_s + np.arange(7180.5, 7190.0), atol=0.010)


def test_frames_spread_over_two_hours_are_sought_one_by_one(two_hours):
    begun_s = time.process_time()
    with MediaFile(two_hours) as media:
        times_s = (np.arange(16) + 0.5) * 7200.0 / 16 + 0.5
        shown = numbers(media.video(times_s, 48))
    assert time.process_time() - begun_s < 1.0
    assert shown == [int(time_s // 4) for time_s in times_s]
