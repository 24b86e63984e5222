"""The samples of a scene."""

from __future__ import annotations

import numpy as np

from mirasol.data.av_shapes.scenes import Scene, Sound
from mirasol.data.av_shapes.spec import CHUNK_SAMPLES, SAMPLE_RATE_HZ

_FLOOR = 0.002
_FADE_S = 0.01
_RISE_OCTAVES = 1.5


def sound_samples(scene: Scene, random: np.random.Generator) -> np.ndarray:
    """Returns the sound of a clip, float32 [T * CHUNK_SAMPLES] in -1..1, mono.

    A faint hiss lies under all of it, so that silence is no string of exact zeros.
    """
    samples = _FLOOR * random.standard_normal(scene.chunks * CHUNK_SAMPLES, dtype=np.float32)
    for event in scene.events:
        wave = _wave(event.sound, random)
        first = event.chunk * CHUNK_SAMPLES + round(event.sound.onset_s * SAMPLE_RATE_HZ)
        samples[first : first + len(wave)] += wave
    return np.clip(samples, -1, 1)


def _wave(sound: Sound, random: np.random.Generator) -> np.ndarray:
    """Returns the sound with its fades, float32 [length_s * SAMPLE_RATE_HZ]."""
    time_s = np.arange(round(sound.length_s * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    envelope = np.clip(np.minimum(time_s, time_s[-1] - time_s) / _FADE_S, 0, 1)
    return (sound.gain * envelope * _WAVES[sound.kind](time_s, sound, random)).astype(np.float32)


def _tone(time_s: np.ndarray, sound: Sound, random: np.random.Generator) -> np.ndarray:
    return np.sin(2 * np.pi * sound.pitch_hz * time_s)


def _rise(time_s: np.ndarray, sound: Sound, random: np.random.Generator) -> np.ndarray:
    # The phase is the integral of a pitch that grows by the same ratio in equal times.
    rate = _RISE_OCTAVES * np.log(2) / sound.length_s
    return np.sin(2 * np.pi * sound.pitch_hz * np.expm1(rate * time_s) / rate)


def _noise(time_s: np.ndarray, sound: Sound, random: np.random.Generator) -> np.ndarray:
    return 0.4 * random.standard_normal(len(time_s))


def _silence(time_s: np.ndarray, sound: Sound, random: np.random.Generator) -> np.ndarray:
    return np.zeros(len(time_s))


_WAVES = {"low": _tone, "high": _tone, "rise": _rise, "noise": _noise, "silence": _silence}
