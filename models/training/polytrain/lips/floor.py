# SPDX-License-Identifier: Apache-2.0
"""The floor: linear canonical correlation of small mouths with a coarse spectrum, trained on the same speaker, measured on
the same clips as the networks. What a network doesn't gain over it isn't worth a network."""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from sklearn.decomposition import PCA
from sklearn.metrics import roc_auc_score

from . import clips, measure
from .network import LogMel

REACH = measure.REACH
NEIGHBOURS = 2
COMPONENTS = 32


def sights(clip):
    """`[T,256]`: 16x16 mouths, each less its mean over the clip."""
    small = clip.mouths.reshape(len(clip), 16, 3, 16, 3).mean((2, 4)).reshape(len(clip), -1)
    return small - small.mean(0)


def sounds(clip, mel):
    """`[T,160]`: the log-mel spectrum of each step, four frames of 40 bands."""
    wave = torch.from_numpy(np.pad(clip.sound, (0, 320)))[None]
    bands = mel(wave)[0].numpy()[:, : 4 * len(clip)].T.reshape(len(clip), -1)
    return bands - bands.mean(0)


def stacked(rows):
    """Each row with its neighbours."""
    padded = np.pad(rows, ((NEIGHBOURS, NEIGHBOURS), (0, 0)), mode="edge")
    return np.concatenate([padded[at : at + len(rows)] for at in range(2 * NEIGHBOURS + 1)], 1)


def whitener(rows, ridge=0.05):
    values, vectors = np.linalg.eigh(np.cov(rows.T))
    return vectors / np.sqrt(values + ridge * values.mean())


class Floor:
    """Both projections, learnt on clips."""

    def __init__(self, group):
        self.mel = LogMel()
        seen, heard = np.concatenate([sights(clip) for clip in group]), np.concatenate([sounds(clip, self.mel) for clip in group])
        self.eye, self.ear = PCA(40).fit(seen), PCA(40).fit(heard)
        rows = [self.rows(clip) for clip in group]
        left, right = (np.concatenate(side) for side in zip(*rows))
        white = [whitener(left), whitener(right)]
        first, _, second = np.linalg.svd(white[0].T @ (left.T @ right / len(left)) @ white[1])
        self.left, self.right = white[0] @ first[:, :COMPONENTS], white[1] @ second[:COMPONENTS].T

    def rows(self, clip):
        return stacked(self.eye.transform(sights(clip))), stacked(self.ear.transform(sounds(clip, self.mel)))

    def vectors(self, clip):
        unit = lambda rows: rows / (np.linalg.norm(rows, axis=1, keepdims=True) + 1e-9)
        left, right = self.rows(clip)
        # The networks' first vector is of the fifth mouth.
        return unit(left @ self.left)[4:], unit(right @ self.right)


def worth(vectors, group):
    """As `measure.quick`, over all clips, each with the next one of the same person for another's sound."""
    pairs = [vectors(clip) for clip in group]
    own, other = [], []
    for at, clip in enumerate(group):
        mates = [number for number, mate in enumerate(group) if mate.person == clip.person and number != at]
        own.append(measure.curve(*pairs[at]))
        if mates:
            other.append(measure.curve(pairs[at][0], pairs[mates[at % len(mates)]][1]))
    within = [abs(int(values.argmax()) - REACH) <= 1 for values in own]
    scores = [values.max() - np.median(values) for values in own + other]
    return {"clips": len(own), "offset_within_one": round(float(np.mean(within)), 3), "swap_auc": round(float(roc_auc_score([1] * len(own) + [0] * len(other), scores)), 3)}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--grid", type=Path, required=True, help="folder of `polygraph senses` over speaker 1")
    parser.add_argument("--others", type=Path, required=True, help="the same over other speakers, with persons.txt: person name")
    parser.add_argument("--weights", type=Path, help="weights.pt, to measure the networks beside it")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    floor = Floor(clips.grid(args.grid, {0, 1, 2, 4, 5, 6}))
    lines = [line.split() for line in (args.others / "persons.txt").read_text().splitlines()]
    groups = {"grid-1": clips.grid(args.grid, {7}), "grid-others": [clip for person, name in lines for clip in clips.read(args.others / name, person)]}
    report = {"linear CCA": {name: worth(floor.vectors, group) for name, group in groups.items()}}
    if args.weights:
        from . import export

        model = export.load(args.weights)
        report["networks, in Python, every clip answered"] = {name: worth(lambda clip: measure.vectors(model, clip), group) for name, group in groups.items()}
    print(json.dumps(report, indent=1))
    args.out.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
