# SPDX-License-Identifier: Apache-2.0
"""A quick look at word errors while training; the figures that count come from the shipped elements."""

import numpy as np
import torch

from . import data
from .network import DELAY, ROWS, STATE

LEVELS = {"clean": None, "5 dB": 5, "0 dB": 0, "-5 dB": -5}


def greedy(log_probs):
    """Words of `[T,52]`."""
    best = log_probs.argmax(1).tolist()
    return [now for before, now in zip([0] + best, best) if now and now != before]


def errors(said, wanted):
    """Levenshtein distance."""
    row = list(range(len(wanted) + 1))
    for at, word in enumerate(said):
        last, row[0] = row[0], at + 1
        for to, other in enumerate(wanted):
            last, row[to + 1] = row[to + 1], min(last + (word != other), row[to] + 1, row[to + 1] + 1)
    return row[-1]


def rate(core, hear, clips, looks, waves, lips=True, ears=True, ends=()):
    wrong = count = 0
    for begin in range(0, len(clips), 25):
        part = range(begin, min(begin + 25, len(clips)))
        pieces = [(looks[at][0].float().numpy(), clips[at].seen * lips, waves[at], np.full(len(clips[at]), float(ears), np.float32), clips[at].labels, clips[at].targets) for at in part]
        look, seen, wave, heard, _, lengths, targets = data.collate(pieces)
        with torch.no_grad():
            log_probs, _ = core(look, seen, *hear(wave, heard.any(1), ends), heard, torch.zeros(ROWS, len(look), STATE))
        for row, length, target in zip(log_probs, lengths, targets):
            wrong += errors(greedy(row[DELAY : DELAY + length]), target)
            count += len(target)
    return round(100 * wrong / count, 1)


def quick(core, hear, clips, looks, noise, senses, ends=()):
    """Word error rates, %, in babble of training voices; as partials hear that end with so many steps, or all at once."""
    found = {}
    if senses != "ears":
        found["lips"] = rate(core, hear, clips, looks, [clip.sound for clip in clips], ears=False)
    if senses == "eyes":
        return found
    for name, snr in LEVELS.items():
        rng, waves = np.random.default_rng(7), []
        for clip in clips:
            wave = clip.sound
            if snr is not None:
                babble = sum(noise.voice(rng, len(wave)) for _ in range(6))
                wave = wave + babble / data.loudness(babble) * data.loudness(wave[slice(*clip.span)]) * 10 ** (-snr / 20)
            waves.append(wave.astype(np.float32))
        found[name] = rate(core, hear, clips, looks, waves, lips=senses != "ears", ends=ends)
    return found
