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


def block(inside, outside, stride):
    """A separable convolution."""
    return nn.Sequential(
        nn.Conv2d(inside, inside, 3, stride, 1, groups=inside, bias=False), nn.BatchNorm2d(inside),
        nn.Conv2d(inside, outside, 1, bias=False), nn.BatchNorm2d(outside), nn.ReLU(),
    )


class Sound(nn.Module):
    """Over the spectrogram, `[batch, steps, 128]`: what a recogniser discards."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.BatchNorm2d(1), nn.Conv2d(1, 16, 3, 2, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU(),
            block(16, 32, 2), block(32, 48, 2), block(48, 64, (1, 2)), block(64, 64, 1),
        )
        self.project = nn.Sequential(nn.Linear(64 * CELLS // 16, WIDTH), nn.GELU(), nn.Dropout(0.2))
        self.pool = Pool(WIDTH)

    def forward(self, bands):
        maps = self.layers(bands.unsqueeze(1))
        return self.pool(self.project(maps.permute(0, 2, 1, 3).flatten(2)))


class Voice(nn.Module):
    """Logit of synthesis; higher is more likely synthetic."""

    def __init__(self):
        super().__init__()
        self.words, self.sound = Words(), Sound()
        self.words_alone, self.sound_alone = nn.Linear(2 * WIDTH, 1), nn.Linear(2 * WIDTH, 1)
        self.both = nn.Sequential(nn.Dropout(0.3), nn.Linear(4 * WIDTH, 32), nn.GELU(), nn.Linear(32, 1))

    def parts(self, features, bands):
        """Logits of both together, of Moonshine's features alone, of the spectrogram alone."""
        words, sound = self.words(features), self.sound(bands)
        return (
            self.both(torch.cat([words, sound], dim=1)).squeeze(1),
            self.words_alone(words).squeeze(1), self.sound_alone(sound).squeeze(1),
        )

    def forward(self, features, bands):
        return self.parts(features, bands)[0]
