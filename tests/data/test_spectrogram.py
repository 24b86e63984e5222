import numpy as np
import pytest

from mirasol.data import spectrogram
from mirasol.data.spectrogram import LogMel, _mel_filters


def tone(hz: float, seconds: float, rate: int = 16_000) -> np.ndarray:
    return np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate).astype(np.float32)


def decibels(columns: np.ndarray) -> np.ndarray:
    return columns * 20.0 - 50.0


@pytest.mark.parametrize("rate, bins, low_hz", [(16_000, 64, 0.0), (16_000, 128, 50.0)])
def test_filters_are_those_of_librosa(rate, bins, low_hz):
    filters = pytest.importorskip("librosa.filters")
    size, ours = _mel_filters(rate, bins, 400, low_hz, rate / 2)
    theirs = filters.mel(sr=rate, n_fft=size, n_mels=bins, fmin=low_hz, norm=None)
    assert np.allclose(ours.numpy(), theirs.T, atol=1e-5)


def test_long_sound_in_blocks_reads_as_in_one(monkeypatch):
    sound = tone(500.0, 2.0) * np.linspace(0, 1, 32_000, dtype=np.float32)
    whole = LogMel().columns(sound, 0.1, 20)
    monkeypatch.setattr(spectrogram, "_BLOCK", 7)
    assert np.allclose(LogMel().columns(sound, 0.1, 20), whole, atol=1e-5)


def test_silence_is_the_floor():
    columns = LogMel().columns(np.zeros(8_000, np.float32), 0.01, 32)
    assert columns.shape == (32, 64)
    assert columns.dtype == np.float32
    assert np.allclose(columns, (-80 + 50) / 20)


def test_a_tone_reads_the_same_level_low_and_high():
    spectrogram = LogMel(mel_bins=32)
    levels = [decibels(spectrogram.columns(tone(hz, 1), 0.01, 64)).max() for hz in (500, 5_000)]
    assert levels == pytest.approx([-6, -6], abs=3)


def test_a_higher_tone_lies_in_a_higher_bin():
    spectrogram = LogMel()
    bins = [spectrogram.columns(tone(hz, 1), 0.01, 64)[30].argmax() for hz in (200, 1_000, 4_000)]
    assert bins == sorted(set(bins))


def test_columns_are_centred_at_their_times():
    spectrogram = LogMel()
    samples = np.zeros(16_000, np.float32)
    margin = round(spectrogram.margin_s * 16_000)
    # A click 0.505 s into the clip is the centre of column 50 of columns 10 ms apart.
    samples[margin + round(0.505 * 16_000)] = 1.0
    loudness = spectrogram.columns(samples, 0.01, 90).mean(axis=1)
    assert loudness.argmax() == 50
    assert loudness[49] == pytest.approx(loudness[51], abs=0.05)


def test_wide_hops_leave_nothing_unheard():
    # Columns 0.25 s apart: a 25 ms window alone would miss nine tenths of the sound.
    for at_s in (0.02, 0.13, 0.31, 0.49):
        samples = np.zeros(16_000, np.float32)
        samples[round(at_s * 16_000) :][:160] = tone(1_000, 0.01)
        columns = LogMel().columns(samples, 0.25, 3)
        assert decibels(columns)[int(at_s / 0.25)].max() > -60


def test_missing_sound_at_the_end_is_silence():
    columns = LogMel().columns(tone(440, 0.1), 0.01, 50)
    assert decibels(columns)[5].max() > -20
    assert np.allclose(columns[20:], -1.5)


def test_bad_numbers_are_refused():
    with pytest.raises(ValueError, match=r"8000, half the sample rate; got .*high_hz=9000"):
        LogMel(high_hz=9_000.0)
    with pytest.raises(ValueError, match="mel bins are too many"):
        LogMel(mel_bins=20_000)
    with pytest.raises(ValueError, match="deviation must be above 0"):
        LogMel(std_db=0.0)
