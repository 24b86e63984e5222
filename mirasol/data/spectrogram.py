"""Sound to log-mel columns that stand in step with the frames of the video.

The paper gives its spectrogram no bins, window or hop, only that its time bands match the video, so
that both are cut into the same chunks. Here the columns' centres follow from the clip:

    chunk          |        0        |        1        |
    frames, F = 4  |  f   f   f   f  |  f   f   f   f  |     centres at (i + 1/2) chunk / F
    columns, A = 8 | a a a a a a a a | a a a a a a a a |     centres at (i + 1/2) chunk / A
"""

from __future__ import annotations

import math

import numpy as np
import torch

_FLOOR = 1e-8  # Power, -80 dB: below the noise of an AAC track, so that silence is one value.
_BLOCK = 4096  # Windows at once: an hour has 144,000, of which all spectra at once would be 0.3 GB.


class LogMel:
    """A log-mel spectrogram, standardised with a fixed mean and deviation.

    A column is the power of Hann windows, summed in triangular mel bands (Slaney's scale, peaks of
    1, so that a tone reads about the same wherever it lies), in dB with a floor at -80 dB. Where
    columns stand further apart than a window, each is the mean of evenly spread windows, so that
    nothing between them goes unheard.

    The paper states none of these numbers. The bins, rate and window follow AST (arXiv 2104.01778)
    with half of its 128 bins; the mean and deviation are round numbers that put silence at -1.5 and
    loud tones at about 2, fixed so that one clip's loudness never moves another clip's.

    Args:
      sample_rate: Hz of the sound that `columns` takes.
      mel_bins: S, mel bands of a column.
      window_s: length of a window, s.
      low_hz, high_hz: outer edges of the bands; high_hz None means half the sample rate.
      mean_db, std_db: subtracted, then divided by.

    Attributes:
      settings: all of these, by name.

    Raises:
      ValueError: a window of under two samples, a deviation not above 0, or bands that do not fit
        the sample rate.
    """

    def __init__(
        self,
        sample_rate: int = 16_000,
        mel_bins: int = 64,
        window_s: float = 0.025,
        low_hz: float = 0.0,
        high_hz: float | None = None,
        mean_db: float = -50.0,
        std_db: float = 20.0,
    ) -> None:
        self.sample_rate = sample_rate
        self.mel_bins = mel_bins
        self.settings = {
            "sample_rate": sample_rate,
            "mel_bins": mel_bins,
            "window_s": window_s,
            "low_hz": low_hz,
            "high_hz": high_hz,
            "mean_db": mean_db,
            "std_db": std_db,
        }
        self._window = round(window_s * sample_rate)
        if self._window < 2 or std_db <= 0:
            raise ValueError(
                f"LogMel(window_s={window_s}, std_db={std_db}): a window needs at least 2 samples "
                "and the deviation must be above 0"
            )
        self._mean_db, self._std_db = mean_db, std_db
        edges = (low_hz, high_hz if high_hz is not None else sample_rate / 2)
        hann = torch.hann_window(self._window, periodic=True)
        self._hann = hann / hann.sum()  # A tone of amplitude 1 peaks at 1/2, whatever the window.
        self._size, self._filters = _mel_filters(sample_rate, mel_bins, self._window, *edges)

    @property
    def margin_s(self) -> float:
        """Sound that `columns` needs before and after the clip, s: half a window."""
        return self._window / 2 / self.sample_rate

    def columns(self, samples: np.ndarray, hop_s: float, count: int) -> np.ndarray:
        """Returns `count` columns, `hop_s` apart, the first centred at half a hop into the clip.

        Args:
          samples: float32 [n], mono in -1..1, from `margin_s` before the clip; what is missing at
            the end counts as silence.
          hop_s: distance of the columns, s.
          count: number of columns.

        Returns:
          float32 [count, S].
        """
        windows = max(1, math.ceil(hop_s * self.sample_rate / self._window - 1e-6))
        step = hop_s * self.sample_rate / windows
        centres = (np.arange(count * windows) + 0.5) * step
        starts = torch.from_numpy(np.round(centres).astype(np.int64))
        wanted = int(starts[-1]) + self._window
        padded = torch.zeros(wanted)
        padded[: len(samples)] = torch.from_numpy(samples[:wanted])
        views = padded.unfold(0, self._window, 1)
        power = torch.cat([self._power(views[part]) for part in starts.split(_BLOCK)])
        power = power.reshape(count, windows, self.mel_bins).mean(dim=1)
        decibels = 10.0 * torch.log10(power + _FLOOR)
        return ((decibels - self._mean_db) / self._std_db).numpy()

    def _power(self, windows: torch.Tensor) -> torch.Tensor:
        """Returns the bands' power [n, S] of sound [n, window]."""
        spectrum = torch.fft.rfft(windows * self._hann, n=self._size)
        return (spectrum.real.square() + spectrum.imag.square()) @ self._filters


def _mel_filters(
    sample_rate: int, bins: int, window: int, low_hz: float, high_hz: float
) -> tuple[int, torch.Tensor]:
    """Returns the FFT's size and float32 filters [size / 2 + 1, bins], none of them empty.

    The numbers of `librosa.filters.mel(norm=None)`, without the seconds that importing it takes.
    """
    if not 0 <= low_hz < high_hz <= sample_rate / 2:
        raise ValueError(
            f"LogMel: the bands must lie in 0 <= low_hz < high_hz <= {sample_rate / 2:g}, half the "
            f"sample rate; got low_hz={low_hz:g}, high_hz={high_hz:g}"
        )
    edges_hz = _mel_to_hz(np.linspace(_hz_to_mel(low_hz), _hz_to_mel(high_hz), bins + 2))
    least = (window - 1).bit_length()
    # Zero-padding until the narrowest band holds a frequency of its own.
    for size in (1 << bits for bits in range(least, least + 5)):
        hz = np.linspace(0, sample_rate / 2, size // 2 + 1)
        rising = (hz[:, None] - edges_hz[:-2]) / np.diff(edges_hz)[:-1]
        falling = (edges_hz[2:] - hz[:, None]) / np.diff(edges_hz)[1:]
        filters = np.maximum(0, np.minimum(rising, falling))
        if (filters.max(axis=0) > 0).all():
            return size, torch.from_numpy(filters.astype(np.float32))
    raise ValueError(
        f"LogMel: {bins} mel bins are too many for {sample_rate} Hz between {low_hz:g} and "
        f"{high_hz:g} Hz; lower mel_bins"
    )


# Slaney's mel scale: linear up to 1 kHz (15 mel), logarithmic above.
_LINEAR_HZ = 200.0 / 3
_KNEE_HZ, _KNEE_MEL = 1000.0, 15.0
_LOG_STEP = math.log(6.4) / 27.0


def _hz_to_mel(hz: float) -> float:
    if hz < _KNEE_HZ:
        return hz / _LINEAR_HZ
    return _KNEE_MEL + math.log(hz / _KNEE_HZ) / _LOG_STEP


def _mel_to_hz(mel: np.ndarray) -> np.ndarray:
    log = _KNEE_HZ * np.exp(_LOG_STEP * (np.maximum(mel, _KNEE_MEL) - _KNEE_MEL))
    return np.where(mel < _KNEE_MEL, mel * _LINEAR_HZ, log)
