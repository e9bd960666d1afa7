# SPDX-License-Identifier: Apache-2.0
"""Copy-synthesis: a genuine stretch, taken apart by a vocoder and built again. Same speaker, words, room and noise."""

import warnings

import numpy as np
from scipy.fft import irfft, rfft

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import pyworld

RATE = 16000


def mel_matrix(bands, size):
    to_mel = lambda hertz: 1127 * np.log1p(hertz / 700)
    edges = 700 * np.expm1(np.linspace(to_mel(40), to_mel(7900), bands + 2) / 1127)
    bins = np.arange(size // 2 + 1) * RATE / size
    up = (bins - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    down = (edges[2:, None] - bins) / (edges[2:] - edges[1:-1])[:, None]
    return np.maximum(0, np.minimum(up, down))


def split(wave, size, hop):
    """Spectra of windowed frames, `[frames, bins]`."""
    window = np.hanning(size + 1)[:-1].astype(np.float32)
    padded = np.pad(wave.astype(np.float32), (size, size))
    return rfft(np.lib.stride_tricks.sliding_window_view(padded, size)[::hop] * window), window


def join(spectra, window, hop, count):
    """The wave whose frames come nearest to these spectra."""
    pieces = irfft(spectra, len(window)) * window
    out = np.zeros(len(pieces) * hop + len(window), np.float32)
    weight = np.zeros_like(out)
    for at, piece in enumerate(pieces):
        out[at * hop:at * hop + len(window)] += piece
        weight[at * hop:at * hop + len(window)] += window ** 2
    return (out / np.maximum(weight, 1e-3))[len(window):len(window) + count]


def griffin_lim(wave, draw, through_mel):
    """Phases found anew by Griffin and Lim's iteration, with momentum (Perraudin et al., 2013); magnitudes kept, or
    through as many mel bands as vocoders get."""
    size, hop = draw.choice([(512, 128), (1024, 256), (800, 200)])
    spectra, window = split(wave, size, hop)
    magnitude = np.abs(spectra)
    if through_mel:
        matrix = mel_matrix(int(draw.choice([60, 80, 100])), size)
        back = np.linalg.pinv(matrix)
        magnitude = np.maximum(1e-8, magnitude @ matrix.T @ back.T).astype(np.float32)
    spectra = magnitude * np.exp(2j * np.pi * draw.random(magnitude.shape, np.float32))
    before = np.zeros_like(spectra)
    for _ in range(int(draw.integers(6, 24))):
        again = split(join(spectra, window, hop, len(wave)), size, hop)[0][:len(magnitude)]
        step = again + 0.9 * (again - before)
        before = again
        spectra = magnitude * step / (np.abs(step) + 1e-9)
    return join(spectra, window, hop, len(wave))


def world(wave, draw, coded):
    """WORLD (Morise et al., 2016), its envelopes as they are or through as few numbers as synthesisers predict."""
    wave = wave.astype(np.float64)
    found, times = pyworld.dio(wave, RATE)
    pitch = pyworld.stonemask(wave, found, times, RATE)
    envelope = pyworld.cheaptrick(wave, pitch, times, RATE)
    aperiodicity = pyworld.d4c(wave, pitch, times, RATE)
    if coded:
        size = pyworld.get_cheaptrick_fft_size(RATE)
        numbers = pyworld.code_spectral_envelope(envelope, RATE, int(draw.integers(24, 60)))
        envelope = pyworld.decode_spectral_envelope(numbers, RATE, size)
        aperiodicity = pyworld.decode_aperiodicity(pyworld.code_aperiodicity(aperiodicity, RATE), RATE, size)
    return pyworld.synthesize(pitch, envelope, aperiodicity, RATE)


METHODS = {
    "world": lambda wave, draw: world(wave, draw, False),
    "world-coded": lambda wave, draw: world(wave, draw, True),
    "griffin-lim": lambda wave, draw: griffin_lim(wave, draw, False),
    "griffin-lim-mel": lambda wave, draw: griffin_lim(wave, draw, True),
}


def copy(wave, way, draw):
    """The stretch built again by one of METHODS, or of `vocoders`, of the same length."""
    made = way(wave, draw)[:len(wave)]
    return np.pad(made, (0, len(wave) - len(made))).astype(np.float32)
