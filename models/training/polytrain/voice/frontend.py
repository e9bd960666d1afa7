# SPDX-License-Identifier: Apache-2.0
"""What the network gets of a stretch of speech, number by number as the product makes it (`../../src/voice`).

The stretch is cut by speech activity at both ends before. Here its long-term spectrum and its level become those of all
others: microphone, room and loudness tell corpora apart, not voices. What is left goes to Moonshine's encoder as a wave
and to the small network as a spectrogram.
"""

import numpy as np

RATE = 16000
SIZE, HOP = 512, 256
# Sound below and above these is taken away, in hertz.
LOWEST, HIGHEST = 80.0, 7600.0
# Bands of the equaliser, evenly spaced in mel, and how far it may go, in decibels.
BANDS, MOST_DB = 24, 18.0
# A frame this far under the loudest one is a pause and has no say in the spectrum, in decibels.
PAUSE_DB = 35.0
# Root mean square of every stretch.
LEVEL = 0.05
# The spectrogram's step; its bands are pairs of bins.
STEP, CELLS = 160, 128
FLOOR = 1e-4


def mel(hertz):
    return 1127.0 * np.log1p(hertz / 700.0)


EDGES = 700.0 * np.expm1(np.linspace(mel(LOWEST), mel(HIGHEST), BANDS + 1) / 1127.0)
CENTRES = (EDGES[:-1] + EDGES[1:]) / 2
BINS = np.arange(SIZE // 2 + 1) * RATE / SIZE
MEMBERS = [np.flatnonzero((BINS >= low) & (BINS < high)) for low, high in zip(EDGES[:-1], EDGES[1:])]
HANN = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(SIZE) / SIZE)
ROOT = np.sqrt(HANN)


def target(hertz):
    """The spectrum that all get, in decibels: flat to 500 Hz, then falling by 6 dB an octave."""
    return -6.0 * np.log2(np.maximum(hertz, 500.0) / 500.0)


def frames(wave, hop):
    """Frames of SIZE samples, the first centred on the first sample, zeros around."""
    padded = np.pad(wave, (SIZE // 2, SIZE))
    count = len(wave) // hop + 1
    return np.lib.stride_tricks.sliding_window_view(padded, SIZE)[::hop][:count]


def gains(power):
    """Gain of each bin, out of frames of power."""
    energy = power.sum(axis=1)
    loud = energy >= energy.max() * 10 ** (-PAUSE_DB / 10)
    spectrum = power[loud].mean(axis=0)
    level = np.array([10 * np.log10(spectrum[members].mean() + 1e-12) if len(members) else np.nan for members in MEMBERS])
    wanted = target(CENTRES) - level
    wanted -= wanted.mean()
    wanted = np.clip(wanted, -MOST_DB, MOST_DB)
    gain = 10 ** (np.interp(BINS, CENTRES, wanted) / 20)
    gain[(BINS < LOWEST) | (BINS > HIGHEST)] = 0.0
    return gain


def equalise(wave):
    """The stretch with everybody's long-term spectrum and level, as float32."""
    spectra = np.fft.rfft(frames(wave, HOP) * ROOT)
    spectra *= gains(np.abs(spectra) ** 2)
    pieces = np.fft.irfft(spectra, SIZE) * ROOT
    out = np.zeros(len(pieces) * HOP + SIZE)
    for at, piece in enumerate(pieces):
        out[at * HOP:at * HOP + SIZE] += piece
    out = out[SIZE // 2:SIZE // 2 + len(wave)]
    return (out * LEVEL / (np.sqrt(np.mean(out ** 2)) + 1e-9)).astype(np.float32)


def spectrogram(wave):
    """`[steps, CELLS]` of log power, about -9 to 6."""
    power = np.abs(np.fft.rfft(frames(wave.astype(np.float64), STEP) * HANN)) ** 2
    return np.log(power[:, 1:].reshape(len(power), CELLS, 2).mean(axis=2) + FLOOR).astype(np.float32)
