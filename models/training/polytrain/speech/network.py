# SPDX-License-Identifier: Apache-2.0
"""A streaming recogniser of 51 words from mouths and sound: convolutions that look ahead, recurrent layers, word CTC; its state is outside.

Inputs, for T steps of 40 ms: `mouths` `[B,T+4,1,48,48]` in 0..255, two more on both sides; `mouth_mask` `[B,T+4]`, 1 where
there is one; `sound` `[B,T,160]`, log-mel, four frames of 10 ms a step that end with it; `heard` `[B,T,288]`, what Moonshine's encoder makes of
the sound (`heard.py`); `sound_mask` `[B,T]`; `state` `[35,B,160]`, zeros at first. Outputs: `log_probs` `[B,T,52]`, blank first, of the step eight before the one that was read, and
`state_out`. So it looks ahead 8 steps and two mouths: 400 ms.
"""

import torch
from torch import nn
from torch.nn import functional

from ..lips.network import BANDS, LogMel
from .words import WORDS

DELAY = 8
"""Steps from what is read to what is said of it."""
MARGIN = 2
"""Mouths before and behind a step that are seen with it."""
LINEAR, DEEP = 64, 192
STATE = 160
ROWS = 3 + 4 * DELAY
"""Of the state: three recurrent layers, and what the convolutions of both senses saw last."""
SOUND, HEARD = 4 * BANDS, 288
LEAD = 160
"""Samples of sound before a step that its first frame begins with."""


class Front(nn.Module):
    """What a mouth looks like: a linear picture of it (eigenlips), and the trunk of the network that tells whether lips and
    sound are of one moment, which has seen more people than GRID's first. Neither is trained any more here."""

    def __init__(self):
        super().__init__()
        self.trunk = nn.Sequential(
            nn.Conv2d(5, 32, 3, 2, 1, bias=False), nn.BatchNorm2d(32), nn.ReLU(),
            nn.Conv2d(32, 48, 3, 2, 1, bias=False), nn.BatchNorm2d(48), nn.ReLU(),
            nn.Conv2d(48, 64, 3, 2, 1, bias=False), nn.BatchNorm2d(64), nn.ReLU(),
            nn.Conv2d(64, 96, 3, 2, 1, bias=False), nn.BatchNorm2d(96), nn.ReLU(),
            nn.Flatten(), nn.Linear(96 * 9, DEEP, bias=False), nn.BatchNorm1d(DEEP), nn.ReLU(),
        )
        self.register_buffer("mean", torch.zeros(48 * 48))
        self.register_buffer("axes", torch.zeros(LINEAR, 48 * 48))

    def normal(self, mouths):
        """`[N,48,48]` of 0..255, each by itself to mean 0 and spread about 1."""
        level = mouths.mean((-2, -1), keepdim=True)
        spread = (mouths - level).pow(2).mean((-2, -1), keepdim=True).sqrt()
        return (mouths - level) / (spread + 4)

    def forward(self, mouths, mask):
        """`[B,T+4,1,48,48]`, `[B,T+4]` -> `[B,T,256]`."""
        batch, count = mouths.shape[0], mouths.shape[1] - 2 * MARGIN
        seen = self.normal(mouths[:, :, 0]) * mask[:, :, None, None]
        stacks = torch.stack([seen[:, at : at + count] for at in range(2 * MARGIN + 1)], 2).flatten(0, 1)
        deep = self.trunk(stacks.contiguous(memory_format=torch.channels_last)).view(batch, count, DEEP)
        linear = (seen[:, MARGIN : MARGIN + count].flatten(2) - self.mean) @ self.axes.T
        return torch.cat([deep, linear], 2)


class Ahead(nn.Module):
    """Two convolutions over nine steps each, `[B,T,160]`, with what was before them as a cache `[16,B,160]`. They see as far ahead as
    behind, for what they say is of the step `DELAY` before the last that they read."""

    def __init__(self):
        super().__init__()
        self.first, self.second = (nn.Conv1d(STATE, STATE, DELAY + 1) for _ in range(2))
        self.calm, self.calm2 = nn.LayerNorm(STATE), nn.LayerNorm(STATE)

    def step(self, conv, calm, x, cache):
        """Output of the step in the middle of nine, and the next cache."""
        known = torch.cat([cache.transpose(0, 1), x], 1)
        new = conv(known.transpose(1, 2)).transpose(1, 2)
        middle = known[:, DELAY // 2 : known.shape[1] - DELAY // 2]
        return calm(middle + functional.relu(new)), known[:, known.shape[1] - DELAY :].transpose(0, 1)

    def forward(self, x, cache):
        x, first = self.step(self.first, self.calm, x, cache[:DELAY])
        x, second = self.step(self.second, self.calm2, x, cache[DELAY:])
        return x, torch.cat([first, second])


class Core(nn.Module):
    """From what mouths look like and what is heard to words."""

    def __init__(self, drop=0.3, blind=False):
        """`blind`: the twin, to which mouths are nothing."""
        super().__init__()
        self.blind = blind
        self.register_buffer("lip_mean", torch.zeros(DEEP + LINEAR))
        self.register_buffer("lip_spread", torch.ones(DEEP + LINEAR))
        self.lips = nn.Sequential(nn.Linear(DEEP + LINEAR, STATE), nn.LayerNorm(STATE), nn.ReLU(), nn.Dropout(drop))
        self.sound = nn.Sequential(nn.Linear(SOUND + HEARD, STATE), nn.LayerNorm(STATE), nn.ReLU(), nn.Dropout(drop))
        self.lip_near, self.sound_near = Ahead(), Ahead()
        self.lip_time, self.sound_time = nn.GRU(STATE, STATE, batch_first=True), nn.GRU(STATE, STATE, batch_first=True)
        self.both = nn.GRU(2 * STATE + 2, STATE, batch_first=True)
        self.drop = nn.Dropout(drop)
        self.out = nn.Linear(STATE, 1 + len(WORDS))

    def sense(self, x, mask, near, time, state, cache):
        """One sense by itself: `[B,T,160]` of each step `DELAY` before, and its next state and cache."""
        x, cache = near(x * mask, cache)
        x, state = time(self.drop(x), state.contiguous())
        return x, state, cache

    def forward(self, lips, lip_mask, sound, heard, sound_mask, state):
        """`[B,T,256]`, `[B,T]`, `[B,T,160]`, `[B,T,288]`, `[B,T]`, `[35,B,160]` -> `[B,T,52]`, `[35,B,160]`."""
        lip_mask, sound_mask = lip_mask.unsqueeze(2), sound_mask.unsqueeze(2)
        lip_state, sound_state, both_state, lip_cache, sound_cache = state.split([1, 1, 1, 2 * DELAY, 2 * DELAY])
        if self.blind:
            seen = torch.zeros(*sound.shape[:2], STATE)
        else:
            looks = self.lips((lips - self.lip_mean) / self.lip_spread)
            seen, lip_state, lip_cache = self.sense(looks, lip_mask, self.lip_near, self.lip_time, lip_state, lip_cache)
        sounds = self.sound(torch.cat([(sound + 4) / 4, heard], 2))
        heard, sound_state, sound_cache = self.sense(sounds, sound_mask, self.sound_near, self.sound_time, sound_state, sound_cache)
        joined = torch.cat([self.drop(seen), self.drop(heard), lip_mask, sound_mask], 2)
        both, both_state = self.both(joined, both_state.contiguous())
        return functional.log_softmax(self.out(self.drop(both)), 2), torch.cat([lip_state, sound_state, both_state, lip_cache, sound_cache])


class Whole(nn.Module):
    """Front and core, as they ship."""

    def __init__(self, front, core):
        super().__init__()
        self.front, self.core = front, core

    def forward(self, mouths, mouth_mask, sound, heard, sound_mask, state):
        """See the module."""
        lips = self.front(mouths, mouth_mask)
        return self.core(lips, mouth_mask[:, MARGIN : -MARGIN], sound, heard, sound_mask, state)


class Sound(nn.Module):
    """Log-mel of steps: `[B, 160 + T*640]` -> `[B,T,160]`."""

    def __init__(self):
        super().__init__()
        self.mel = LogMel()

    def forward(self, wave):
        mel = self.mel(wave)
        return mel.transpose(1, 2).reshape(wave.shape[0], -1, SOUND)
