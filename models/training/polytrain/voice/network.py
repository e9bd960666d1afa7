# SPDX-License-Identifier: Apache-2.0
"""The network: attentive pooling over Moonshine's features, joined with a small network over the spectrogram."""

import torch
from torch import nn

FEATURES, CELLS = 288, 128
WIDTH = 64


class Pool(nn.Module):
    """Mean and deviation over time, weighed by attention (Okabe et al., 2018)."""

    def __init__(self, width):
        super().__init__()
        self.weigh = nn.Sequential(nn.Linear(width, 32), nn.Tanh(), nn.Linear(32, 1))

    def forward(self, sequence):
        weight = torch.softmax(self.weigh(sequence), dim=1)
        mean = (weight * sequence).sum(dim=1)
        deviation = ((weight * sequence ** 2).sum(dim=1) - mean ** 2).clamp(min=1e-5).sqrt()
        return torch.cat([mean, deviation], dim=1)


class Words(nn.Module):
    """Over what a recogniser heard, `[batch, steps, 288]`."""

    def __init__(self):
        super().__init__()
        self.project = nn.Sequential(nn.LayerNorm(FEATURES), nn.Linear(FEATURES, WIDTH), nn.GELU(), nn.Dropout(0.2))
        self.context = nn.Conv1d(WIDTH, WIDTH, 5, padding=2)
        self.pool = Pool(WIDTH)

    def forward(self, features):
        sequence = self.project(features)
        sequence = sequence + nn.functional.gelu(self.context(sequence.transpose(1, 2))).transpose(1, 2)
        return self.pool(sequence)


class Sound(nn.Module):
    """Over the spectrogram, `[batch, rows, 128]`: what a recogniser discards.

    Statistics of how power moves in time and across bands, which vocoders change, and a small network along time.
    """

    STATISTICS = 6 * CELLS + 2 * (CELLS - 1) + CELLS - 2

    def __init__(self):
        super().__init__()
        self.level = nn.BatchNorm1d(self.STATISTICS, affine=False, momentum=0.05)
        self.told = nn.Sequential(nn.Dropout(0.4), nn.Linear(self.STATISTICS, WIDTH), nn.GELU(), nn.Dropout(0.2))
        self.along = nn.Sequential(
            nn.BatchNorm1d(CELLS), nn.Conv1d(CELLS, WIDTH, 5, 2, 2), nn.GELU(), nn.Dropout(0.1),
            nn.Conv1d(WIDTH, WIDTH, 5, 2, 2), nn.GELU(),
        )
        self.pool = Pool(WIDTH)

    @staticmethod
    def statistics(bands):
        step, across = bands[:, 1:] - bands[:, :-1], bands[:, :, 1:] - bands[:, :, :-1]
        turn, bend = step[:, 1:] - step[:, :-1], across[:, :, 1:] - across[:, :, :-1]
        both = step[:, :, 1:] - step[:, :, :-1]
        mean = bands.mean(dim=1, keepdim=True)
        return torch.cat([
            mean.squeeze(1), ((bands - mean) ** 2).mean(dim=1).sqrt(), step.abs().mean(dim=1), (step ** 2).mean(dim=1).sqrt(),
            turn.abs().mean(dim=1), (step * step * step).mean(dim=1), across.abs().mean(dim=1), both.abs().mean(dim=1),
            bend.abs().mean(dim=1),
        ], dim=1)

    def forward(self, bands):
        told = self.told(self.level(self.statistics(bands)))
        return torch.cat([told, self.pool(self.along(bands.transpose(1, 2)).transpose(1, 2))], dim=1)


class Voice(nn.Module):
    """Logit of synthesis; higher is more likely synthetic."""

    def __init__(self):
        super().__init__()
        self.words, self.sound = Words(), Sound()
        self.words_alone, self.sound_alone = nn.Linear(2 * WIDTH, 1), nn.Linear(3 * WIDTH, 1)
        self.both = nn.Sequential(nn.Dropout(0.3), nn.Linear(5 * WIDTH, 32), nn.GELU(), nn.Linear(32, 1))

    def parts(self, features, bands):
        """Logits of both together, of Moonshine's features alone, of the spectrogram alone."""
        words, sound = self.words(features), self.sound(bands)
        return (
            self.both(torch.cat([words, sound], dim=1)).squeeze(1),
            self.words_alone(words).squeeze(1), self.sound_alone(sound).squeeze(1),
        )

    def forward(self, features, bands):
        return self.parts(features, bands)[0]
