# SPDX-License-Identifier: Apache-2.0
"""GRID speaker 1 on a grid of 25 steps a second, and what spoils its sound and its picture.

Mouths are those of `polygraph senses`: the streaming crops of the product. Noise for training is of GRID's training clips,
LJ Speech's reader, Piper, chords and coloured noise; EmoDB and Moonshine's recordings are the test's.
"""

import json
from pathlib import Path

import numpy as np
import soundfile
import torch
from scipy import signal
from torch.nn import functional

from . import words
from .network import DELAY, LEAD, MARGIN

SIDE, STEP, STEP_NS, RATE = 48, 640, 40_000_000, 16_000
NEAR_NS = 22_000_000
"""A mouth further from a step is none of its."""


class Clip:
    """`mouths` `[T,48,48]` bytes, `seen` `[T]` of 0 and 1, `sound` `[T*640]`, `said` [(start ns, end ns, class)]."""

    def __init__(self, name, mouths, seen, sound, said):
        self.name, self.mouths, self.seen, self.sound, self.said = name, mouths, seen, sound, said
        self.targets = [word for _, _, word in said]
        self.labels = np.zeros(len(seen), np.int64)
        for start, end, word in said:
            self.labels[-(-start // STEP_NS) : -(-end // STEP_NS)] = word
        self.span = (said[0][0] * RATE // 10**9, said[-1][1] * RATE // 10**9) if said else (0, len(sound))
        """Samples of the sentence."""

    def __len__(self):
        return len(self.seen)


def read(stem, align=None):
    """A clip of `polygraph senses`: the mouths of the face that was seen longest."""
    stem = Path(stem)
    about = json.loads(stem.with_name(stem.name + ".json").read_text())
    sound = np.fromfile(stem.with_name(stem.name + ".sound"), "<f4")
    pixels = np.fromfile(stem.with_name(stem.name + ".mouths"), np.uint8).reshape(-1, SIDE, SIDE)
    tracks = sorted(about["mouths"].values(), key=len)
    count = max(len(sound) // STEP, 1 + max((t[-1][0] // STEP_NS for t in tracks), default=0))
    mouths, seen = np.zeros((count, SIDE, SIDE), np.uint8), np.zeros(count, np.float32)
    for pts, number in tracks[-1] if tracks else ():
        step = round(pts / STEP_NS)
        if step < count and abs(pts - step * STEP_NS) <= NEAR_NS:
            mouths[step], seen[step] = pixels[number], 1
    begin = round((about["sound_start_ns"] or 0) * RATE / 1e9)
    wave = np.zeros(count * STEP, np.float32)
    size = min(len(sound), len(wave) - begin)
    wave[begin : begin + size] = sound[:size]
    return Clip(stem.name, mouths, seen, wave, words.read(align) if align else [])


def grid(senses, folder, positions):
    """Clips of GRID speaker 1 by position; `senses` lacks the reserved position 3, so names say positions."""
    names = [line.split() for line in (Path(senses) / "positions.txt").read_text().splitlines()]
    return [read(Path(senses) / name, Path(folder) / (name + ".align")) for position, name in names if int(position) % 10 in positions]


def moved(clip, rng):
    """The mouths `[T,48,48]` of a clip, shifted, scaled, turned, mirrored and lit as other croppings and cameras would."""
    angle, scale = rng.normal(0, 0.05), 1 + rng.normal(0, 0.05)
    mirror = -1 if rng.random() < 0.5 else 1
    cos, sin = np.cos(angle) / scale, np.sin(angle) / scale
    x, y = rng.normal(0, 0.06, 2)
    affine = torch.tensor([[mirror * cos, -sin, x], [mirror * sin, cos, y]], dtype=torch.float32)
    pixels = torch.from_numpy(clip.mouths).float()[:, None]
    net = functional.affine_grid(affine[None].expand(len(pixels), 2, 3), pixels.shape, align_corners=False)
    pixels = functional.grid_sample(pixels, net, padding_mode="border", align_corners=False)[:, 0]
    pixels = 255 * (pixels / 255).clamp(1e-3, 1) ** float(rng.uniform(0.7, 1.4))
    return (pixels + torch.randn_like(pixels) * float(rng.uniform(0, 6))).clamp(0, 255)


def features(front, clips, copies, seed):
    """What the front end makes of all clips, `copies` times: the clip as it is first, then moved ones. [[T,256] half]"""
    rng, out = np.random.default_rng(seed), []
    torch.manual_seed(seed)
    with torch.no_grad():
        for clip in clips:
            of = []
            for copy in range(copies):
                pixels = moved(clip, rng) if copy else torch.from_numpy(clip.mouths).float()
                mask = functional.pad(torch.from_numpy(clip.seen), (MARGIN, MARGIN))[None]
                pixels = functional.pad(pixels, (0, 0, 0, 0, MARGIN, MARGIN))[None, :, None]
                of.append(front(pixels, mask)[0].half())
            out.append(of)
    return out


def loudness(wave):
    return float(np.sqrt(np.mean(np.square(wave, dtype=np.float64)))) + 1e-6


class Noise:
    """Noise of all kinds, of RMS 1."""

    def __init__(self, clips, folders):
        self.speech = [clip.sound[slice(*clip.span)] for clip in clips]
        for folder in folders:
            for path in sorted(Path(folder).glob("*.wav")):
                wave, rate = soundfile.read(path, dtype="float32")
                self.speech.append(signal.resample_poly(wave, RATE, rate).astype(np.float32) if rate != RATE else wave)
        rng = np.random.default_rng(5)
        self.tunes = [self.music(rng, 10 * RATE) for _ in range(60)]
        self.weigh()

    def weigh(self):
        weights = np.sqrt([len(wave) for wave in self.speech])
        self.weights = (weights / weights.sum()).cumsum()

    @classmethod
    def cached(cls, path, clips, folders):
        """The same, kept in a file: to resample all of it takes a minute."""
        noise = cls.__new__(cls)
        if path.exists():
            with np.load(path) as kept:
                noise.speech = np.split(kept["speech"], kept["ends"])
                noise.tunes = list(kept["tunes"])
            noise.weigh()
            return noise
        noise.__init__(clips, folders)
        ends = np.cumsum([len(wave) for wave in noise.speech])[:-1]
        np.savez(path, speech=np.concatenate(noise.speech), ends=ends, tunes=np.float32(noise.tunes))
        return noise

    def voice(self, rng, count):
        out, at = np.zeros(count, np.float32), -int(rng.integers(0, RATE))
        while at < count:
            wave = self.speech[min(np.searchsorted(self.weights, rng.random()), len(self.speech) - 1)]
            if len(wave) > 6 * RATE:
                begin = rng.integers(len(wave) - 5 * RATE)
                wave = wave[begin : begin + 5 * RATE]
            low, high = max(at, 0), min(at + len(wave), count)
            if high > low:
                out[low:high] = wave[low - at : high - at]
            at += len(wave) + int(rng.integers(0, RATE // 3))
        return out / loudness(out)

    def coloured(self, rng, count):
        spectrum = np.fft.rfft(rng.normal(0, 1, count))
        tilt = np.maximum(np.arange(len(spectrum)), 8.0) ** -rng.uniform(0, 1.2)
        bands = np.interp(np.arange(len(spectrum)), np.linspace(0, len(spectrum), 9), rng.uniform(0.2, 1, 9))
        return np.fft.irfft(spectrum * tilt * bands, count)

    def music(self, rng, count):
        time, out, at = np.arange(count) / RATE, np.zeros(count), 0
        while at < count:
            length = int(rng.uniform(0.15, 0.9) * RATE)
            piece = time[at : at + length] - at / RATE
            root = 110 * 2 ** (rng.integers(0, 36) / 12)
            for third in (0, rng.choice([3, 4]), 7, 12)[: rng.integers(1, 5)]:
                for partial in range(1, int(rng.integers(3, 9))):
                    pitch = root * 2 ** (third / 12) * partial
                    if pitch < 7000:
                        out[at : at + length] += np.sin(2 * np.pi * pitch * piece + rng.uniform(0, 6)) / partial * np.exp(-piece * rng.uniform(0.5, 6))
            if rng.random() < 0.5:
                out[at : at + length] += rng.normal(0, 2, len(piece)) * np.exp(-piece * 40)
            at += length
        return out

    def any(self, rng, count):
        kind = rng.random()
        if kind < 0.65:
            out = sum(self.voice(rng, count) * rng.uniform(0.5, 1) for _ in range(int(rng.choice([1, 2, 3, 4, 6, 8]))))
        else:
            begin = rng.integers(10 * RATE - count)
            out = self.coloured(rng, count) if kind < 0.85 else self.tunes[rng.integers(len(self.tunes))][begin : begin + count]
        return (out / loudness(out)).astype(np.float32)


def heard(clip, wave, span, noise, rng):
    """The sound of a clip as bad as it may be."""
    level = loudness(wave[slice(*span)])
    if rng.random() < 0.2:
        # A room.
        length = int(rng.uniform(0.1, 0.4) * RATE)
        tail = rng.normal(0, 1, length) * np.exp(-np.arange(length) / length * 6.9) * rng.uniform(0.01, 0.06)
        tail[0] = 1
        wave = signal.fftconvolve(wave, tail)[: len(wave)].astype(np.float32)
    if rng.random() < 0.65:
        wave = wave + noise.any(rng, len(wave)) * level * 10 ** (-rng.uniform(-10, 20) / 20)
    if rng.random() < 0.3:
        # A microphone.
        b = signal.firwin2(65, [0, 0.02, 0.1, 0.4, 1], rng.uniform(0.3, 1, 5) * [1, 1, 1, 1, 1])
        wave = signal.lfilter(b, [1], wave)
    return np.clip(wave * 10 ** (rng.uniform(-12, 8) / 20), -1, 1).astype(np.float32)


class Batches:
    """Endless batches: lips `[B,T,256]`, lip mask, waves `[B,160+T*640]`, sound mask, labels `[B,T]`, targets, and from
    which step on a sentence counts. Each begins somewhere before its sentence, as a stream does, and at a speed of its own.
    `senses` is what there is of a clip: "both", "ears" or "eyes"; without `looks` lips are pixels, `[B,T,48*48]`."""

    def __init__(self, clips, looks, noise, batch, seed, senses="both"):
        self.clips, self.looks, self.noise = clips, looks, noise
        self.batch, self.rng, self.senses = batch, np.random.default_rng(seed), senses

    def look(self, at):
        """A clip's lips, half of the time as they are."""
        moved_too = self.rng.random() < 0.5
        if self.looks:
            return self.looks[at][self.rng.integers(len(self.looks[at])) if moved_too else 0].float().numpy()
        pixels = moved(self.clips[at], self.rng).numpy() if moved_too else self.clips[at].mouths.astype(np.float32)
        return pixels.reshape(len(pixels), -1)

    def piece(self, at, tight):
        """`tight` pieces hold little besides the sentence."""
        rng, clip = self.rng, self.clips[at]
        first, last = int(clip.said[0][0] // STEP_NS), -(-clip.said[-1][1] // STEP_NS)
        start = rng.integers(max(first - 12, 0) if tight else 0, max(first - 2, 1))
        end = rng.integers(min(last + 6, len(clip)), (min(last + 12, len(clip)) if tight else len(clip)) + 1)
        speed = rng.uniform(0.87, 1.15) if rng.random() < 0.7 else 1.0
        count = int((end - start) / speed)
        place = start + (np.arange(count)) * speed
        low = np.minimum(place.astype(int), len(clip) - 1)
        high, part = np.minimum(low + 1, len(clip) - 1), (place - low).astype(np.float32)[:, None]
        near = np.minimum(np.round(place).astype(int), len(clip) - 1)
        look = self.look(at)
        lips, seen = look[low] * (1 - part) + look[high] * part, clip.seen[near].copy()
        labels = clip.labels[near]
        wave = np.interp(start * STEP + np.arange(count * STEP) * speed, np.arange(len(clip.sound)), clip.sound).astype(np.float32)
        span = [int(np.clip((sample - start * STEP) / speed, 0, len(wave))) for sample in clip.span]
        ears = np.full(count, float(self.senses != "eyes"), np.float32)
        if self.senses != "eyes":
            wave = heard(clip, wave, span, self.noise, rng)
        kind = {"ears": 0.0, "eyes": rng.uniform(0.55, 1)}.get(self.senses, rng.random())
        if kind < 0.25:
            seen[:] = 0
        elif kind < 0.5:
            ears[:] = 0
        elif kind < 0.55:
            # Frozen: seen, and of no use.
            lips[:] = lips[rng.integers(count)]
        elif kind < 0.63:
            begin, length = rng.integers(count), rng.integers(5, 25)
            seen[begin : begin + length] = 0
        if rng.random() < 0.3 and self.senses == "both":
            begin, length = rng.integers(count), rng.integers(3, 10)
            (lips if ears.any() and rng.random() < 0.5 else ears)[begin : begin + length] *= 0
        return lips, seen, wave, ears, labels, clip.targets

    def __iter__(self):
        while True:
            order = self.rng.permutation(len(self.clips))
            for begin in range(0, len(order) - self.batch + 1, self.batch):
                tight = self.rng.random() < 0.75
                yield collate([self.piece(at, tight) for at in order[begin : begin + self.batch]])


def collate(pieces):
    """Pads pieces behind, and by what the network looks ahead."""
    most = max(len(piece[1]) for piece in pieces)
    size, count = len(pieces), most + DELAY
    lips, lip_mask = torch.zeros(size, count, pieces[0][0].shape[1]), torch.zeros(size, count)
    waves, sound_mask = torch.zeros(size, LEAD + count * STEP), torch.zeros(size, count)
    labels = torch.full((size, most), -100)
    for at, (look, seen, wave, ears, label, _) in enumerate(pieces):
        length = len(seen)
        lips[at, :length], lip_mask[at, :length] = torch.from_numpy(look), torch.from_numpy(seen)
        waves[at, LEAD : LEAD + len(wave)], sound_mask[at, :length] = torch.from_numpy(wave), torch.from_numpy(ears)
        labels[at, :length] = torch.from_numpy(label)
    lengths = torch.tensor([len(piece[1]) for piece in pieces])
    targets = [piece[5] for piece in pieces]
    return lips, lip_mask, waves, sound_mask, labels, lengths, targets
