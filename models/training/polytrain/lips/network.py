# SPDX-License-Identifier: Apache-2.0
"""Two networks whose vectors of the same moment are alike: one sees a mouth, the other hears (after SyncNet, Chung and
Zisserman 2016, and Perfect Match, Chung et al. 2019). Both are convolutions over time without padding, so that a stream can
be fed piece by piece and gets the very same vectors.

Mouths `[1, T + 8, 48, 48]` in 0..255 give `[T, 128]`: vector t is of mouth t + 4. Sound `[1, T * 640 + 3520]` in -1..1 gives
`[T, 128]`: vector t is of the 40 ms that begin at sample t * 640 + 1760.
"""

import math

import torch
from torch import nn
from torch.nn import functional

SIZE = 128
MOUTH_CONTEXT = 8
"""Mouths beyond those that get a vector."""
SOUND_CONTEXT = 3520
"""Samples beyond those that get a vector."""
SOUND_LEAD = 1760
"""Samples before the first step that gets a vector."""
BANDS, FRAME, HOP = 40, 320, 160


class MouthNet(nn.Module):
    """A mouth in motion."""

    def __init__(self):
        super().__init__()
        self.trunk = nn.Sequential(
            nn.Conv2d(5, 32, 3, 2, 1, bias=False), nn.BatchNorm2d(32), nn.ReLU(),
            nn.Conv2d(32, 48, 3, 2, 1, bias=False), nn.BatchNorm2d(48), nn.ReLU(),
            nn.Conv2d(48, 64, 3, 2, 1, bias=False), nn.BatchNorm2d(64), nn.ReLU(),
            nn.Conv2d(64, 96, 3, 2, 1, bias=False), nn.BatchNorm2d(96), nn.ReLU(),
            nn.Flatten(), nn.Linear(96 * 9, 192, bias=False), nn.BatchNorm1d(192), nn.ReLU(),
        )
        self.time = nn.Sequential(nn.Conv1d(192, 192, 5, bias=False), nn.BatchNorm1d(192), nn.ReLU(), nn.Conv1d(192, SIZE, 1))

    def forward(self, mouths):
        """`[B,T+8,48,48]` -> `[B,T,128]` of length 1."""
        batch, count = mouths.shape[:2]
        # Each by itself: a piece of a stream has to give what the whole would.
        level = mouths.mean((2, 3), keepdim=True)
        spread = (mouths - level).pow(2).mean((2, 3), keepdim=True).sqrt()
        mouths = (mouths - level) / (spread + 4)
        # Five neighbours as channels: cheaper than a convolution in three dimensions.
        stacks = torch.stack([mouths[:, at : at + count - 4] for at in range(5)], 2).flatten(0, 1)
        seen = self.trunk(stacks.contiguous(memory_format=torch.channels_last))
        vectors = self.time(seen.view(batch, count - 4, 192).transpose(1, 2))
        return functional.normalize(vectors.transpose(1, 2), dim=2)


class LogMel(nn.Module):
    """Log-mel spectrum as convolutions, so that whoever runs the network needs no transform of their own."""

    def __init__(self):
        super().__init__()
        bins = torch.arange(FRAME // 2 + 1)
        angle = 2 * math.pi * bins[:, None] * torch.arange(FRAME) / FRAME
        window = torch.hann_window(FRAME)
        self.register_buffer("wave", torch.cat([angle.cos() * window, -angle.sin() * window]).unsqueeze(1))
        mel = lambda hertz: 2595 * math.log10(1 + hertz / 700)
        edges = torch.tensor([700 * (10 ** (m / 2595) - 1) for m in torch.linspace(mel(60), mel(7600), BANDS + 2).tolist()])
        hertz = bins * 16000 / FRAME
        up = (hertz - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
        down = (edges[2:, None] - hertz) / (edges[2:] - edges[1:-1])[:, None]
        bank = torch.minimum(up, down).clamp(min=0)
        # Low bands are narrower than a bin: their nearest bin then.
        for band, row in enumerate(bank):
            if row.sum() == 0:
                row[(hertz - edges[band + 1]).abs().argmin()] = 1
        self.register_buffer("bank", bank)

    def forward(self, sound):
        """`[B,N]` -> `[B,40,frames]`."""
        parts = functional.conv1d(sound.unsqueeze(1), self.wave, stride=HOP)
        real, imaginary = parts.chunk(2, 1)
        return torch.log(torch.matmul(self.bank, real * real + imaginary * imaginary) + 1e-5)


class SoundNet(nn.Module):
    """What is heard meanwhile."""

    def __init__(self):
        super().__init__()
        self.mel = LogMel()
        self.trunk = nn.Sequential(
            nn.Conv2d(1, 32, 3, (2, 1), (1, 0), bias=False), nn.BatchNorm2d(32), nn.ReLU(),
            nn.Conv2d(32, 48, 3, (2, 2), (1, 0), bias=False), nn.BatchNorm2d(48), nn.ReLU(),
            nn.Conv2d(48, 64, 3, (2, 2), (1, 0), bias=False), nn.BatchNorm2d(64), nn.ReLU(),
        )
        self.time = nn.Sequential(
            nn.Conv1d(64 * 5, 192, 3, bias=False), nn.BatchNorm1d(192), nn.ReLU(),
            nn.Conv1d(192, 192, 3, bias=False), nn.BatchNorm1d(192), nn.ReLU(), nn.Conv1d(192, SIZE, 1),
        )

    def forward(self, sound):
        """`[B,T*640+3520]` -> `[B,T,128]` of length 1."""
        mel = (self.mel(sound) + 4) / 4
        seen = self.trunk(mel.unsqueeze(1)).flatten(1, 2)
        return functional.normalize(self.time(seen).transpose(1, 2), dim=2)
