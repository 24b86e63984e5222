"""Augmentations on made-up examples."""

from __future__ import annotations

import numpy as np
import pytest

from mirasol.data.augmentation import HorizontalFlip, RandomResizedCrop, SpecAugment


def example(size: int = 24) -> dict[str, np.ndarray]:
    """Returns pictures that grow brighter to the right and greener to the bottom."""
    along = np.linspace(0, 255, size).round().astype(np.uint8)
    video_TFHWC = np.zeros((2, 3, size, size, 3), np.uint8)
    video_TFHWC[..., 0] = along
    video_TFHWC[..., 1] = along[:, None]
    return {
        "video_TFHWC": video_TFHWC,
        "audio_TAS": np.ones((2, 50, 16), np.float32),
        "question_Q": np.ones(2, bool),
    }


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


ALL = [RandomResizedCrop(), HorizontalFlip(probability=1.0), SpecAugment()]


@pytest.mark.parametrize("augmentation", ALL, ids=repr)
def test_the_same_generator_gives_the_same_and_what_was_given_stays(augmentation):
    given, kept = example(), example()
    one, other = augmentation(given, rng()), augmentation(given, rng())
    for name in kept:
        assert np.array_equal(given[name], kept[name])
        assert np.array_equal(one[name], other[name])
        assert (one[name].shape, one[name].dtype) == (kept[name].shape, kept[name].dtype)
    assert any(not np.array_equal(one[name], kept[name]) for name in kept)


@pytest.mark.parametrize("seed", range(5))
def test_a_crop_is_a_part_of_the_picture_and_the_same_in_all_frames(seed):
    crop = RandomResizedCrop(least_area=0.25, most_stretch=2.0)
    video = crop(example(), rng(seed))["video_TFHWC"].astype(int)
    assert (video == video[0, 0]).all()
    red, green = video[0, 0, 12, :, 0], video[0, 0, :, 12, 1]
    assert (np.diff(red) >= 0).all() and (np.diff(green) >= 0).all()
    top, left, height, width = crop.box(24, 24, rng(seed))
    along = np.linspace(0, 255, 24)
    assert red[[0, -1]] == pytest.approx(along[[left, left + width - 1]], abs=6)
    assert green[[0, -1]] == pytest.approx(along[[top, top + height - 1]], abs=6)


def test_crops_keep_to_their_ranges_and_use_them():
    crop, draw = RandomResizedCrop(least_area=0.3, most_stretch=1.5), rng()
    boxes = np.array([crop.box(100, 100, draw) for _ in range(2000)])
    top, left, height, width = boxes.T
    assert (boxes >= 0).all()
    assert (top + height).max() == (left + width).max() == 100
    area, stretch = height * width / 1e4, width / height
    assert 0.29 <= area.min() < 0.32 and 0.95 < area.max() <= 1.0
    assert 1 / 1.53 <= stretch.min() < 0.7 and 1.4 < stretch.max() <= 1.53
    assert RandomResizedCrop(least_area=1.0, most_stretch=1.0).box(9, 9, rng()) == (0, 0, 9, 9)


def test_a_part_that_does_not_fit_is_the_whole():
    crop = RandomResizedCrop(least_area=1.0, most_stretch=50.0)
    assert (0, 0, 10, 10) in {crop.box(10, 10, rng(seed)) for seed in range(5)}


def test_mirroring_turns_left_and_right_in_its_share_of_clips():
    mirrored = HorizontalFlip(probability=1.0)(example(), rng())["video_TFHWC"]
    assert np.array_equal(mirrored[..., ::-1, :], example()["video_TFHWC"])
    flip, given, draw = HorizontalFlip(probability=0.25), example(4), rng()
    share = np.mean([flip(given, draw) is not given for _ in range(2000)])
    assert share == pytest.approx(0.25, abs=0.03)
    assert HorizontalFlip(probability=0.0)(given, rng()) is given


def test_masks_are_stretches_of_their_widths():
    given = example()
    in_time = SpecAugment(time_masks=1, mel_masks=0, time_share=0.2)
    in_mel = SpecAugment(time_masks=0, mel_masks=1, mel_bins=5)
    widths, heights = set(), set()
    for seed in range(300):
        masked = in_time(given, rng(seed))["audio_TAS"].reshape(100, 16) == 0
        columns = np.flatnonzero(masked.all(axis=1))
        assert masked.sum() == 16 * len(columns)
        assert len(columns) == 0 or np.ptp(columns) == len(columns) - 1
        widths.add(len(columns))
        masked = in_mel(given, rng(seed))["audio_TAS"].reshape(100, 16) == 0
        bins = np.flatnonzero(masked.all(axis=0))
        assert masked.sum() == 100 * len(bins)
        heights.add(len(bins))
    assert widths == set(range(21))
    assert heights == set(range(6))


@pytest.mark.parametrize(
    ("augmentation", "options", "words"),
    [
        (RandomResizedCrop, {"least_area": 0.0}, r"area must be in \(0, 1\]"),
        (RandomResizedCrop, {"most_stretch": 0.5}, "stretch at least 1"),
        (HorizontalFlip, {"probability": 1.5}, "probability is 1.5"),
        (SpecAugment, {"time_share": 2.0}, "time_share=2.0"),
        (SpecAugment, {"mel_bins": 0}, "mel_bins"),
        (SpecAugment, {"time_masks": -1}, "time_masks=-1"),
    ],
)
def test_numbers_out_of_range_are_refused(augmentation, options, words):
    with pytest.raises(ValueError, match=words):
        augmentation(**options)
