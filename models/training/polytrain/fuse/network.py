# SPDX-License-Identifier: Apache-2.0
"""A small causal network over ticks: a GRU (Cho et al., 2014) whose output at a tick depends on that tick and those before."""

import numpy as np
import torch
from torch import nn

from .rows import PARTS, WIDTH

HIDDEN = 32


class Fusion(nn.Module):
    """`[batch, ticks, WIDTH]` to logits `[batch, ticks]`."""

    def __init__(self):
        super().__init__()
        self.enter = nn.Sequential(nn.Linear(WIDTH, HIDDEN), nn.ReLU())
        self.through = nn.GRU(HIDDEN, HIDDEN, batch_first=True)
        self.leave = nn.Linear(HIDDEN, 1)

    def forward(self, ticks):
        return self.leave(self.through(self.enter(ticks))[0]).squeeze(-1)


def padded(ticks):
    """Segments as one tensor, and which of its ticks are there."""
    most = max(len(one) for one in ticks)
    out = np.zeros((len(ticks), most, WIDTH), np.float32)
    there = np.zeros((len(ticks), most), bool)
    for at, one in enumerate(ticks):
        out[at, : len(one)], there[at, : len(one)] = one, True
    return torch.from_numpy(out), torch.from_numpy(there)


def drop_parts(ticks, draw, share=0.2):
    """Whole parts are missing in some segments."""
    ticks = ticks.clone()
    for part in range(len(PARTS)):
        gone = torch.from_numpy(draw.random(len(ticks)) < share)
        ticks[gone, :, 2 * part : 2 * part + 2] = 0
    return ticks


def losses(model, ticks, there, labels, weights):
    """Cross entropy over ticks from the tenth on, by when two seconds are known."""
    counts = there.float()
    counts[:, :10] = 0
    each = nn.functional.binary_cross_entropy_with_logits(model(ticks), labels[:, None].expand_as(counts), reduction="none")
    return ((each * counts).sum(1) / counts.sum(1).clamp(min=1) * weights).sum() / weights.sum()


def train(segments, chosen, held, seed, epochs=300):
    """Trains on the segments `chosen`; the weights with the least loss on `held` stay."""
    torch.manual_seed(seed)
    draw = np.random.default_rng(seed)
    model = Fusion()
    adam = torch.optim.AdamW(model.parameters(), 2e-3, weight_decay=1e-2)
    part = lambda which: (*padded([segments.ticks[at] for at in which]), torch.tensor(segments.labels[which], dtype=torch.float32))
    (ticks, there, labels), (held_ticks, held_there, held_labels) = part(chosen), part(held)
    # Seven of eight segments are manipulated: both classes weigh the same.
    weigh = lambda labels: torch.where(labels > 0, 0.5 / labels.mean(), 0.5 / (1 - labels.mean()))
    best, state = np.inf, None
    for _ in range(epochs):
        model.train()
        for batch in np.array_split(draw.permutation(len(labels)), max(1, len(labels) // 64)):
            adam.zero_grad()
            losses(model, drop_parts(ticks[batch], draw), there[batch], labels[batch], weigh(labels)[batch]).backward()
            adam.step()
        model.eval()
        with torch.no_grad():
            now = float(losses(model, held_ticks, held_there, held_labels, weigh(held_labels)))
        if now < best:
            best, state = now, {name: value.clone() for name, value in model.state_dict().items()}
    model.load_state_dict(state)
    return model.eval()


def at_the_end(model, segments):
    """The logit at each segment's last tick."""
    ticks, there = padded(segments.ticks)
    with torch.no_grad():
        out = model(ticks).numpy()
    return out[np.arange(len(out)), there.numpy().sum(1) - 1]
