# SPDX-License-Identifier: Apache-2.0
"""Batches of moving mouths and their sound, made worse in ways that cameras and rooms are."""

import numpy as np
import torch
from torch.nn import functional

from .clips import SIDE, STEP
from .network import MOUTH_CONTEXT, SOUND_CONTEXT, SOUND_LEAD

LENGTH = 50
"""Steps of a piece that get vectors: two seconds."""
LEAD = MOUTH_CONTEXT // 2


class Pieces:
    """Endless batches; persons are drawn first, then a clip of theirs. Two pieces of each batch share a person."""

    def __init__(self, clips, batch, seed, share=0.4):
        """`share` of the persons drawn are speaker 1 of GRID, who has most of the clips."""
        self.rng, self.batch, self.share = np.random.default_rng(seed), batch, share
        self.persons = {}
        for clip in clips:
            if len(clip) >= LENGTH + MOUTH_CONTEXT:
                self.persons.setdefault(clip.person, []).append(clip)
        self.others = [person for person in self.persons if person != "grid-1"]
        # People of whom there is much count more, but not in proportion.
        sizes = np.array([sum(len(clip) for clip in self.persons[person]) for person in self.others], float)
        self.odds = np.sqrt(sizes.clip(max=3000)) / np.sqrt(sizes.clip(max=3000)).sum() if len(sizes) else None
        self.sounds = [clip.sound for clip in clips]

    def person(self):
        if not self.others or ("grid-1" in self.persons and self.rng.random() < self.share):
            return "grid-1"
        return self.others[self.rng.choice(len(self.others), p=self.odds)]

    def piece(self, person):
        clips = self.persons[person]
        clip = clips[self.rng.integers(len(clips))]
        for _ in range(10):
            start = self.rng.integers(len(clip) - LENGTH - MOUTH_CONTEXT + 1)
            # Silence teaches nothing.
            if clip.speech[start + LEAD : start + LEAD + LENGTH].mean() > 0.4:
                break
        mouths = clip.mouths[start : start + LENGTH + MOUTH_CONTEXT]
        return mouths, self.worse(sound(clip, start + LEAD, LENGTH))

    def worse(self, wave):
        rng = self.rng
        level = np.sqrt(np.mean(wave**2)) + 1e-4
        if rng.random() < 0.5:
            other = self.sounds[rng.integers(len(self.sounds))]
            if len(other) > len(wave):
                begin = rng.integers(len(other) - len(wave))
                noise = other[begin : begin + len(wave)]
                wave = wave + noise * level / (np.sqrt(np.mean(noise**2)) + 1e-4) * 10 ** (-rng.uniform(5, 25) / 20)
        if rng.random() < 0.5:
            wave = wave + rng.normal(0, level * 10 ** (-rng.uniform(8, 35) / 20), len(wave))
        if rng.random() < 0.5:
            # A room or a microphone: a short random filter.
            taps = rng.normal(0, 1, 24) * np.exp(-np.arange(24) / rng.uniform(1, 6))
            taps[0] = 1.5
            wave = np.convolve(wave, taps)[: len(wave)]
        # Levels from -40 to -14 dBFS.
        wave = wave * 10 ** (rng.uniform(-40, -14) / 20) / (np.sqrt(np.mean(wave**2)) + 1e-5)
        return np.clip(wave, -1, 1).astype(np.float32)

    def __iter__(self):
        while True:
            pairs = [self.person() for _ in range(self.batch // 2)]
            mouths, sounds = zip(*[self.piece(person) for person in pairs for _ in range(2)])
            yield appearance(torch.from_numpy(np.stack(mouths)), self.rng), torch.from_numpy(np.stack(sounds))


def sound(clip, first, count):
    """The samples that `count` vectors from step `first` need; silence outside of the clip."""
    begin, length = first * STEP - SOUND_LEAD, count * STEP + SOUND_CONTEXT
    padded = np.zeros(length, np.float32)
    low, high = max(begin, 0), min(begin + length, len(clip.sound))
    padded[low - begin : high - begin] = clip.sound[low:high]
    return padded


def appearance(mouths, rng):
    """Other faces, lenses and lights: `[B,T,48,48]` bytes -> floats of 0..255. The same all through a piece, but for a
    little unrest, which the product's own crops have as well."""
    batch, count = mouths.shape[:2]
    uniform = lambda low, high, *shape: torch.from_numpy(rng.uniform(low, high, (batch, *shape)).astype(np.float32))
    angle = uniform(-0.18, 0.18)[:, None] + 0.02 * unrest(rng, batch, count)
    scale = uniform(0.82, 1.2)[:, None] * (1 + 0.015 * unrest(rng, batch, count))
    shape = uniform(0.9, 1.1)[:, None]
    flip = torch.from_numpy(rng.choice([-1.0, 1.0], batch).astype(np.float32))[:, None]
    shift = [uniform(-0.15, 0.15)[:, None] + 0.02 * unrest(rng, batch, count) for _ in range(2)]
    cos, sin = angle.cos() * scale, angle.sin() * scale
    rows = torch.stack([torch.stack([cos * flip * shape, -sin, shift[0]], -1), torch.stack([sin * flip * shape, cos, shift[1]], -1)], -2)
    grid = functional.affine_grid(rows.view(-1, 2, 3), [batch * count, 1, SIDE, SIDE], align_corners=False)
    seen = functional.grid_sample(mouths.float().view(-1, 1, SIDE, SIDE), grid, padding_mode="border", align_corners=False)
    seen = seen.view(batch, count, SIDE, SIDE)
    for at in range(batch):
        if rng.random() < 0.3:
            small = int(rng.integers(14, 36))
            less = functional.interpolate(seen[at : at + 1], (small, small), mode="bilinear", antialias=True)
            seen[at] = functional.interpolate(less, (SIDE, SIDE), mode="bilinear")[0]
        if rng.random() < 0.2:
            # A microphone, a hand or a logo before a part of it.
            x, y, w, h = rng.integers(0, SIDE, 2).tolist() + rng.integers(5, 22, 2).tolist()
            seen[at, :, y : y + h, x : x + w] = float(rng.uniform(0, 255))
    seen = (seen / 255).clamp(1e-3, 1) ** uniform(0.6, 1.6)[:, None, None, None]
    seen = (seen - 0.5) * uniform(0.5, 1.3)[:, None, None, None] + uniform(0.35, 0.65)[:, None, None, None]
    seen = seen + torch.randn_like(seen) * uniform(0, 0.04)[:, None, None, None]
    return seen.clamp(0, 1) * 255


def unrest(rng, batch, count):
    """A slow wander with small steps, `[B,T]` of about unit size."""
    steps = rng.normal(0, 1, (batch, -(-count // 5) + 1)).astype(np.float32)
    return functional.interpolate(torch.from_numpy(steps)[:, None], count, mode="linear", align_corners=True)[:, 0]
