# SPDX-License-Identifier: Apache-2.0
"""The quadrant table: each part alone, ways of joining them, and a network, on people and clips that nothing was fitted to.

    table.py --fit FOLDER --test NAME=FOLDER... --out RESULTS.json [--weights fusion.pt]

Folders are what `quadrants.py` made and `polygraph analyze` looked at. The network and the logistic regression are fitted on
--fit (four fifths of its pairs, the rest says when to stop). The network is worth shipping when the lower end of the interval of
its AUC's gain over the best baseline is above zero on every test; which baseline is best is settled on --fit.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from sklearn.metrics import roc_auc_score

from . import baselines, network
from .quadrants import CELLS
from .rows import PARTS, Segments

ROUNDS = 1000
SEEDS = (1, 2, 3)


def resamples(segments, draw):
    """Indices of segments, pairs drawn with replacement: those of a pair are not independent."""
    of = {pair: np.flatnonzero(segments.pairs == pair) for pair in np.unique(segments.pairs)}
    names = list(of)
    for _ in range(ROUNDS):
        yield np.concatenate([of[names[at]] for at in draw.integers(len(names), size=len(names))])


def interval(values):
    return [round(float(value), 3) for value in np.quantile(values, [0.025, 0.975])]


def auc(labels, scores, draws):
    if len(set(labels)) < 2:
        return None
    several = [roc_auc_score(labels[at], scores[at]) for at in draws if len(set(labels[at])) == 2]
    return {"auc": round(float(roc_auc_score(labels, scores)), 3), "interval": interval(several)}


def reliability(labels, scores):
    """At even odds: expected calibration error over ten bins, and each bin's mean probability, share and weight."""
    p = 1 / (1 + np.exp(-scores))
    weights = np.where(labels == 1, 0.5 / labels.mean(), 0.5 / (1 - labels.mean())) / len(labels)
    bins, error = [], 0.0
    for at in range(10):
        its = (np.minimum((p * 10).astype(int), 9) == at)
        if its.any():
            weight = weights[its].sum()
            mean, share = (weights[its] * p[its]).sum() / weight, (weights[its] * labels[its]).sum() / weight
            error += weight * abs(mean - share)
            bins.append([round(float(value), 3) for value in (mean, share, weight)])
    return {"ece": round(float(error), 3), "bins": bins}


def measure(segments, scores):
    """A way of joining on one test: any manipulation against none, and each cell against none."""
    draws = list(resamples(segments, np.random.default_rng(7)))
    found = {"any": auc(segments.labels, scores, draws), "cells": {}, "calibration": reliability(segments.labels, scores)}
    cells = np.array(["".join(map(str, cell)) for cell in segments.cells])
    for cell in ("".join(map(str, cell)) for cell in CELLS[1:]):
        its = np.flatnonzero((cells == cell) | (cells == "000"))
        where = {at: n for n, at in enumerate(its)}
        inner = [np.array([where[at] for at in one if at in where], int) for one in draws]
        found["cells"][cell] = auc(segments.labels[its], scores[its], inner)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fit", type=Path, required=True)
    parser.add_argument("--test", nargs="+", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--weights", type=Path)
    args = parser.parse_args()
    fit = Segments(args.fit)
    names = np.unique(fit.pairs)
    held = np.isin(fit.pairs, names[::5])
    joins = {name: baselines.part(name) for name in PARTS}
    joins |= {"maximum": baselines.highest, "noisy-or": baselines.noisy_or, "noisy-or without voice": lambda rows: baselines.noisy_or(rows, ("voice",))}
    joins["logistic"] = baselines.Logistic(fit.last()[~held], fit.labels[~held])
    best = max(list(joins)[len(PARTS) :], key=lambda name: roc_auc_score(fit.labels[held], joins[name](fit.last()[held])))
    models = [network.train(fit, np.flatnonzero(~held), np.flatnonzero(held), seed) for seed in SEEDS]
    if args.weights:
        torch.save([model.state_dict() for model in models], args.weights)
    result = {
        "fit": {"pairs": len(names), "segments": len(fit.labels), "without a face": fit.without},
        "parameters": sum(value.numel() for value in models[0].parameters()), "best baseline": best, "tests": {},
    }
    for name, folder in (given.split("=", 1) for given in args.test):
        test = Segments(Path(folder))
        scores = {way: join(test.last()) for way, join in joins.items()}
        scores["network"] = np.mean([network.at_the_end(model, test) for model in models], 0)
        gains = [
            roc_auc_score(test.labels[at], scores["network"][at]) - roc_auc_score(test.labels[at], scores[best][at])
            for at in resamples(test, np.random.default_rng(7))
        ]
        _, masks = baselines.told(test.last())
        result["tests"][name] = {
            "pairs": len(np.unique(test.pairs)), "segments": len(test.labels), "without a face": test.without,
            "told": {part: round(float(masks[:, at].mean()), 3) for at, part in enumerate(PARTS)},
            "gain of the network": {"mean": round(float(np.mean(gains)), 3), "interval": interval(gains)},
            **{way: measure(test, its) for way, its in scores.items()},
        }
    args.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    for name, test in result["tests"].items():
        print(name, {key: test[key] for key in ("pairs", "segments", "told", "gain of the network")})
        for way in (*joins, "network"):
            print(f"  {way:24}", test[way]["any"], "ECE", test[way]["calibration"]["ece"], {cell: its["auc"] for cell, its in test[way]["cells"].items()})


if __name__ == "__main__":
    main()
