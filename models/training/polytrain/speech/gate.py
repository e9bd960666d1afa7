# SPDX-License-Identifier: Apache-2.0
"""Learns when lips may have a say: on position 8 of GRID speaker 1, clean and in babble of training voices, against people of
other sources who say something else, and against position 8 with another clip's sound. All as `polygraph senses` cut them.

A clip counts as helped where at most a third of the network's words are wrong: Moonshine has more than half of GRID's wrong
even without noise. Logistic regression on how sure the network is of what lips alone say, and how far that agrees with what
lips and sound say together. Neither lip-sync nor motion has a weight yet; a still mouth never has a say. The threshold lies half
of the way, in logits, from the highest of those who say something else to the median of those helped.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from scipy.optimize import minimize

from ..grid import FUSION
from . import data
from .export import load
from .measure import errors, greedy
from .network import DELAY, LEAD, MARGIN, ROWS, STATE, Sound

WINDOW = 100
"""Steps of a piece of somebody who says something else."""
LEVELS = (None, 5, 0, -5)
LEAST_WORDS = 4
"""Of one or two words anybody's lips may make the network sure: no sentence of GRID is so short."""
SWAPPED = "grid-1, another's sound"


def evidence(net, sound, mouths, seen, wave, ears=True):
    """What lips alone say and how sure that is; what both say."""
    count = len(seen) + DELAY
    pad = lambda values, before, behind: np.pad(values, [(before, behind)] + [(0, 0)] * (values.ndim - 1))
    pixels = torch.from_numpy(pad(mouths, MARGIN, MARGIN + DELAY)).float()[None, :, None]
    mask = torch.from_numpy(pad(seen, MARGIN, MARGIN + DELAY))[None]
    heard = sound(torch.from_numpy(pad(wave, LEAD, DELAY * data.STEP))[None])
    there = torch.from_numpy(pad(np.ones(len(seen), np.float32), 0, DELAY))[None]
    state = torch.zeros(ROWS, 1, STATE)
    both, lips = (net(pixels, mask, heard, there * ear, state)[0][0, DELAY:] for ear in (1, 0))
    best, p = lips.argmax(1).numpy(), lips.exp().max(1).values.numpy()
    ends = np.flatnonzero(np.diff(best)) + 1
    runs = [run for run in np.split(np.arange(len(best)), ends) if best[run[0]]]
    certainty = float(np.mean([p[run].mean() for run in runs])) if runs else 0.0
    alone, together = greedy(lips), greedy(both)
    agreement = max(0.0, 1 - errors(alone, together) / max(len(alone), len(together), 1))
    return [certainty, agreement, len(alone)], together


def fit(x, y, strength=0.0003):
    """Weights and offset; both classes weigh the same, and what speaks for lips never speaks against them."""
    weight = np.where(y, 1 / y.sum(), 1 / (~y).sum())
    def loss(w):
        margin = np.where(y, 1, -1) * (x @ w[:-1] + w[-1])
        return (weight * np.logaddexp(0, -margin)).sum() + strength * (w[:-1] ** 2).sum()
    found = minimize(loss, np.zeros(x.shape[1] + 1), bounds=[(0, None)] * x.shape[1] + [(None, None)]).x
    return found[:-1], found[-1]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--senses", type=Path, required=True, help="folder of `polygraph senses` over GRID speaker 1")
    parser.add_argument("--grid", type=Path, required=True)
    parser.add_argument("--noise", type=Path, required=True, help="noise.npz of polytrain.speech.train")
    parser.add_argument("--talk", type=Path, required=True, help="folder of `polygraph senses` over clips of people who say something else")
    parser.add_argument("--pieces", type=int, default=250)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    net, sound, noise = load(args.weights, False), Sound(), data.Noise.cached(args.noise, [], [])
    rng, rows = np.random.default_rng(8), []
    clips = data.grid(args.senses, args.grid, FUSION)
    for at, clip in enumerate(clips):
        # Half of the levels each, by turns.
        for snr in LEVELS[at % 2 :: 2]:
            wave = clip.sound
            if snr is not None:
                babble = sum(noise.voice(rng, len(wave)) for _ in range(6))
                wave = (wave + babble / data.loudness(babble) * data.loudness(wave[slice(*clip.span)]) * 10 ** (-snr / 20)).astype(np.float32)
            given, said = evidence(net, sound, clip.mouths, clip.seen, wave)
            rows.append((given, errors(said, clip.targets) <= 2, f"grid-1, {snr} dB"))
        other = clips[(at + 13) % len(clips)].sound
        other = np.pad(other, (0, max(0, len(clip.sound) - len(other))))[: len(clip.sound)]
        if at % 2:
            given, _ = evidence(net, sound, clip.mouths, clip.seen, other)
            rows.append((given, False, SWAPPED))
    stems = sorted(args.talk.glob("*.json"))
    for stem in [stems[at] for at in rng.permutation(len(stems))]:
        if sum(row[2] == "others" for row in rows) >= args.pieces:
            break
        clip = data.read(stem.with_suffix(""))
        starts = [at for at in range(0, len(clip) - WINDOW, WINDOW) if clip.seen[at : at + WINDOW].mean() > 0.9][:3]
        for start in starts:
            part = slice(start, start + WINDOW)
            given, _ = evidence(net, sound, clip.mouths[part], clip.seen[part], clip.sound[start * data.STEP : (start + WINDOW) * data.STEP])
            rows.append((given, False, "others"))
    args.out.with_name("gate-rows.json").write_text(json.dumps(rows))
    many = {corpus: sum(row[2] == corpus for row in rows) for corpus in {row[2] for row in rows}}
    rows = [row for row in rows if row[0][2] >= LEAST_WORDS]
    x, y = np.array([row[0][:2] for row in rows]), np.array([row[1] for row in rows])
    # What another's sound is put over would be read rightly, and looks no different: it is told of, and teaches nothing.
    taught = np.array([corpus != SWAPPED for _, _, corpus in rows])
    weights, offset = fit(x[taught], y[taught])
    logits = x @ weights + offset
    highest = float(logits[[corpus == "others" for _, _, corpus in rows]].max())
    least = (highest + float(np.median(logits[y]))) / 2
    p, least = 1 / (1 + np.exp(-logits)), 1 / (1 + np.exp(-least))
    highest = 1 / (1 + np.exp(-highest))
    gate = {"certainty": round(float(weights[0]), 4), "agreement": round(float(weights[1]), 4), "sync": 0.0, "activity": 0.0, "offset": round(float(offset), 4), "least": round(least, 4), "least_words": LEAST_WORDS, "lips_weight": 0.0, "heard_weight": 0.0}
    corpora = {}
    for (given, helps, corpus), value in zip(rows, p):
        one = corpora.setdefault(corpus, {"clips": many[corpus], "with_words": 0, "helped": 0, "open": 0, "open_not_helped": 0, "certainty": 0.0})
        one["with_words"] += 1
        one["helped"] += int(helps)
        one["open"] += int(value >= least)
        one["open_not_helped"] += int(value >= least and not helps)
        one["certainty"] += given[0]
    for one in corpora.values():
        one["certainty"] = round(one["certainty"] / one["with_words"], 3)
    report = {"gate": gate, "highest_of_others": highest, "corpora": corpora}
    print(json.dumps(report, indent=1))
    args.out.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
