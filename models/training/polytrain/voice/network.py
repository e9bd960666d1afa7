# SPDX-License-Identifier: Apache-2.0
"""The network: three small ones that are trained apart and added up. Statistics of Moonshine's features, statistics of a
spectrogram, and convolutions over that spectrogram.

Attention over Moonshine's features was tried and came out at rest, a plain mean; it is gone.
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
    """What a recogniser heard, `[batch, steps, 288]`: mean and deviation, and how fast it changes. `mask` is 1 for steps that
    count."""

    def __init__(self):
        super().__init__()
        self.level = Level(3 * FEATURES)
        self.hidden = nn.Sequential(nn.Dropout(0.5), nn.Linear(3 * FEATURES, WIDTH), nn.GELU(), nn.Dropout(0.3))

    def statistics(self, features, mask=None):
        weight = torch.full_like(features[:, :, :1], 1.0) if mask is None else mask.unsqueeze(2)
        weight = weight / weight.sum(dim=1, keepdim=True)
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


class Picture(nn.Module):
    """Convolutions over the spectrogram less its mean in time, `[batch, rows, 128]`: small traces wherever they lie in time. Means
    and deviations over the rows, band by band, say how much of each there is."""

    WIDTHS, STRIDES, LEFT = (16, 24, 32, 48), ((1, 2), (2, 2), (1, 2), (2, 1)), 16

    def __init__(self):
        super().__init__()
        layers, before = [], 1
        for at, (width, stride) in enumerate(zip(self.WIDTHS, self.STRIDES)):
            layers += [nn.Conv2d(before, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
            layers += [nn.Dropout2d(0.1)] if at in (1, 2) else []
            before = width
        self.body = nn.Sequential(*layers)
        self.out = nn.Sequential(nn.Dropout(0.5), nn.Linear(2 * before * self.LEFT, 1))

    def forward(self, bands):
        hidden = self.body((bands - bands.mean(dim=1, keepdim=True)).unsqueeze(1) / 3)
        mean = hidden.mean(dim=2)
        deviation = ((hidden - mean.unsqueeze(2)) ** 2).mean(dim=2).clamp(min=1e-4).sqrt()
        return self.out(torch.cat([mean, deviation], dim=1).flatten(1)).squeeze(1)


class Voice(nn.Module):
    """Logit of synthesis; higher is more likely synthetic. Each part is trained alone; `share` joins them."""

    def __init__(self):
        super().__init__()
        self.words, self.sound, self.picture = Words(), Sound(), Picture()
        self.words_alone, self.sound_alone = nn.Linear(WIDTH, 1), nn.Linear(WIDTH, 1)
        self.register_buffer("share", torch.ones(3))

    def forward(self, features, bands):
        parts = (self.words_alone(self.words(features)).squeeze(1), self.sound_alone(self.sound(bands)).squeeze(1), self.picture(bands))
        return (torch.stack(parts, dim=1) * self.share).sum(dim=1)
