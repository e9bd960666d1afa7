# SPDX-License-Identifier: Apache-2.0
"""What the vectors are worth on whole clips: the offset found, and whether a swapped sound is told from one's own."""

import numpy as np
import torch
from sklearn.metrics import roc_auc_score

from . import data

REACH = 15


@torch.no_grad()
def vectors(model, clip):
    """Unit vectors of a clip's steps: seen `[T-8,128]` of steps 4.., heard `[T,128]` of steps 0.. ."""
    seen = model.mouth(torch.from_numpy(clip.mouths).float()[None])[0].numpy()
    heard = model.sound(torch.from_numpy(data.sound(clip, 0, len(clip)))[None])[0].numpy()
    return seen, heard


def curve(seen, heard, reach=REACH):
    """Mean likeness at each offset from -reach to reach steps; positive: the sound is late."""
    count = min(len(seen), len(heard) - data.LEAD)
    alike = seen[:count] @ heard.T
    at = np.arange(count)
    means = []
    for offset in range(-reach, reach + 1):
        to = at + data.LEAD + offset
        good = (to >= 0) & (to < heard.shape[0])
        means.append(alike[at[good], to[good]].mean())
    return np.array(means)


def quick(model, clips, most=120):
    """{"offset": part of clips within one step, "swap": AUC of own against swapped sound of the same person}."""
    chosen = [clips[at] for at in np.linspace(0, len(clips) - 1, min(most, len(clips))).astype(int)]
    pairs = [vectors(model, clip) for clip in chosen]
    own = [curve(*pair) for pair in pairs]
    other = []
    for at, clip in enumerate(chosen):
        mates = [n for n, mate in enumerate(chosen) if mate.person == clip.person and n != at] or [n for n in range(len(chosen)) if n != at]
        other.append(curve(pairs[at][0], pairs[mates[at % len(mates)]][1]))
    within = np.mean([abs(int(values.argmax()) - REACH) <= 1 for values in own])
    scores = [values.max() - np.median(values) for values in own + other]
    return {"offset": round(float(within), 3), "swap": round(float(roc_auc_score([1] * len(own) + [0] * len(other), scores)), 3)}
