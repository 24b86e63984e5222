"""Clips: what was drawn comes back from the mp4, at its time."""

import av
import numpy as np
import pytest

from mirasol.data.av_shapes.drawing import draw_frames
from mirasol.data.av_shapes.media import write_clip
from mirasol.data.av_shapes.scenes import MEDIA, SCENE, clip_generator, draw_scene
from mirasol.data.av_shapes.sounding import sound_samples
from mirasol.data.av_shapes.spec import CHUNK_FRAMES, CHUNK_SAMPLES, SAMPLE_RATE_HZ, variant

SPEC = variant("av_shapes_8")


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """Returns (path, scene, frames, samples) of one clip with gaps."""
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    scene = draw_scene(SPEC, clip_generator(SPEC, "train", 3, SCENE))
    random = clip_generator(SPEC, "train", 3, MEDIA)
    frames, samples = draw_frames(scene, random), sound_samples(scene, random)
    write_clip(path, frames, samples)
    return path, scene, frames, samples


def test_frames_show_the_thing_where_it_is(clip):
    _, scene, frames, _ = clip
    assert frames.shape == (64, 64, 64, 3)
    assert frames.dtype == np.uint8
    shown = {event.chunk for event in scene.events}
    for chunk in range(SPEC.chunks):
        colourful = np.ptp(frames[chunk * CHUNK_FRAMES].astype(int), axis=-1).max()
        assert (colourful > 100) == (chunk in shown)
    square = next(event for event in scene.events if event.thing.shape != "ring")
    frame = square.chunk * CHUNK_FRAMES + 5
    x, y = (round(centre) % 64 for centre in square.thing.centre_px(frame))
    assert np.ptp(frames[frame, y, x].astype(int)) > 100


def test_gaps_are_silent(clip):
    _, scene, _, samples = clip
    assert samples.shape == (SPEC.chunks * CHUNK_SAMPLES,)
    assert np.abs(samples).max() <= 1
    heard = {event.chunk for event in scene.events}
    for chunk, part in enumerate(samples.reshape(SPEC.chunks, CHUNK_SAMPLES)):
        assert (np.sqrt(np.mean(part**2)) > 0.02) == (chunk in heard)


def test_video_comes_back_frame_by_frame(clip):
    path, _, frames, _ = clip
    with av.open(str(path)) as container:
        decoded = list(container.decode(video=0))
    assert [frame.pts * frame.time_base * 25 for frame in decoded] == list(range(len(frames)))
    pixels = np.stack([frame.to_ndarray(format="rgb24") for frame in decoded]).astype(int)
    assert np.abs(pixels - frames).mean() < 8


def test_sound_comes_back_in_time(clip):
    path, _, _, samples = clip
    with av.open(str(path)) as container:
        decoded = list(container.decode(audio=0))
    assert decoded[0].pts == 0
    heard = np.concatenate([frame.to_ndarray()[0] for frame in decoded])[: len(samples)]
    assert len(heard) == len(samples)
    # The lag of the greatest correlation, by Fourier transform over twice the length.
    spectrum = np.fft.rfft(heard, 2 * len(samples)) * np.fft.rfft(samples, 2 * len(samples)).conj()
    lag = int(np.argmax(np.fft.irfft(spectrum)))
    lag = min(lag, 2 * len(samples) - lag)
    assert lag / SAMPLE_RATE_HZ < 0.01
    assert np.corrcoef(heard, samples)[0, 1] > 0.9


def test_equal_clips_have_equal_bytes(clip, tmp_path):
    path, _, frames, samples = clip
    write_clip(tmp_path / "again.mp4", frames, samples)
    assert (tmp_path / "again.mp4").read_bytes() == path.read_bytes()
