# SPDX-License-Identifier: Apache-2.0
"""The network: attentive pooling over Moonshine's features, joined with a small network over a spectrogram's statistics.

Deeper ones (two-dimensional and one-dimensional convolutions over the spectrogram) learnt the training's recordings by
heart within minutes and were worse on calibration speakers; results/ has their figures.
"""

import torch
from torch import nn

FEATURES, CELLS = 288, 128
WIDTH = 64
# A statistic that lies so many deviations off says no more than that.
FARTHEST = 5.0


class Level(nn.Module):
    """Statistics in deviations from their mean in training."""

    def __init__(self, size):
        super().__init__()
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("deviation", torch.ones(size))

    def forward(self, statistics):
        level = ((statistics - self.mean) / self.deviation).clamp(-FARTHEST, FARTHEST)
        return level + 0.3 * torch.randn_like(level) if self.training else level


class Words(nn.Module):
    """What a recogniser heard, `[batch, steps, 288]`: mean and deviation weighed by attention (Okabe et al., 2018), and how
    fast it changes. `mask` is 1 for steps that count."""

    def __init__(self):
        super().__init__()
        self.weigh = nn.Sequential(nn.LayerNorm(FEATURES), nn.Linear(FEATURES, 32), nn.Tanh(), nn.Linear(32, 1))
        nn.init.zeros_(self.weigh[3].weight)
        self.level = Level(3 * FEATURES)
        self.hidden = nn.Sequential(nn.Dropout(0.5), nn.Linear(3 * FEATURES, WIDTH), nn.GELU(), nn.Dropout(0.3))

    def statistics(self, features, mask=None):
        score = self.weigh(features)
        if mask is not None:
            score = score + (mask.unsqueeze(2) - 1) * 1e4
        weight = torch.softmax(score, dim=1)
        mean = (weight * features).sum(dim=1)
        deviation = ((weight * features ** 2).sum(dim=1) - mean ** 2).clamp(min=1e-5).sqrt()
        step = (features[:, 1:] - features[:, :-1]).abs()
        if mask is None:
            change = step.mean(dim=1)
        else:
            change = (step * mask[:, 1:].unsqueeze(2)).sum(dim=1) / mask[:, 1:].sum(dim=1, keepdim=True)
        return torch.cat([mean, deviation, change], dim=1)

    def forward(self, features, mask=None):
        return self.hidden(self.level(self.statistics(features, mask)))


class Sound(nn.Module):
    """How power moves in time and across bands, out of a spectrogram `[batch, rows, 128]`: what a recogniser discards and
    vocoders change. Not the mean spectrum itself, which tells recordings apart."""

    SIZE = 5 * CELLS + 2 * (CELLS - 1) + CELLS - 2

    def __init__(self):
        super().__init__()
        self.level = Level(self.SIZE)
        self.hidden = nn.Sequential(nn.Dropout(0.5), nn.Linear(self.SIZE, WIDTH), nn.GELU(), nn.Dropout(0.3))

    @staticmethod
    def statistics(bands):
        step, across = bands[:, 1:] - bands[:, :-1], bands[:, :, 1:] - bands[:, :, :-1]
        turn, bend = step[:, 1:] - step[:, :-1], across[:, :, 1:] - across[:, :, :-1]
        both = step[:, :, 1:] - step[:, :, :-1]
        mean = bands.mean(dim=1, keepdim=True)
        return torch.cat([
            ((bands - mean) ** 2).mean(dim=1).sqrt(), step.abs().mean(dim=1), (step ** 2).mean(dim=1).sqrt(),
            turn.abs().mean(dim=1), (step * step * step).mean(dim=1), across.abs().mean(dim=1), both.abs().mean(dim=1),
            bend.abs().mean(dim=1),
        ], dim=1)

    def forward(self, bands):
        return self.hidden(self.level(self.statistics(bands)))


class Voice(nn.Module):
    """Logit of synthesis; higher is more likely synthetic."""

    def __init__(self):
        super().__init__()
        self.words, self.sound = Words(), Sound()
        self.words_alone, self.sound_alone = nn.Linear(WIDTH, 1), nn.Linear(WIDTH, 1)
        self.both = nn.Linear(2 * WIDTH, 1)

    def parts(self, words, sound):
        """Logits of both together, of Moonshine's features alone, of the spectrogram alone, out of their hidden layers."""
        return [
            logit.squeeze(1)
            for logit in (self.both(torch.cat([words, sound], dim=1)), self.words_alone(words), self.sound_alone(sound))
        ]

    def forward(self, features, bands):
        return self.parts(self.words(features), self.sound(bands))[0]
