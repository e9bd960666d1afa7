# SPDX-License-Identifier: Apache-2.0
"""Networks side by side on the folder of `polytrain.voice.testset`: equal error rates with intervals, and a calibration.

`polygraph eval` is the product's own word; this is its mirror in Python (`judge`), for networks that don't ship yet.
"""

import argparse
import csv
import json
from pathlib import Path

import numpy as np
import soundfile
from sklearn.linear_model import LogisticRegression

from . import judge
from .activity import Activity
from .damage import through
from .prepare import Encoder

RESAMPLES = 1000
# Of genuine calibration recordings of each corpus, so many show signs at the threshold.
FALSE_ALARMS = 0.05


def eer(genuine, fake):
    """Equal error rate of two sets of scores, in sorted steps."""
    both = np.concatenate([genuine, fake])
    order = np.argsort(both, kind="stable")
    is_fake = np.concatenate([np.zeros(len(genuine)), np.ones(len(fake))])[order]
    missed = np.concatenate([[0], np.cumsum(is_fake)]) / len(fake)
    alarms = 1 - np.concatenate([[0], np.cumsum(1 - is_fake)]) / len(genuine)
    at = np.argmin(np.abs(missed - alarms))
    return float((missed[at] + alarms[at]) / 2)


def drawn(groups, draw):
    """Scores of as many persons as there are, drawn with replacement."""
    names = list(groups)
    return np.concatenate([groups[names[at]] for at in draw.integers(0, len(names), len(names))])


def interval(value, *sides):
    """2.5 and 97.5 % of the value over resamples of persons."""
    draw = np.random.default_rng(1)
    found = [value(*(drawn(side, draw) for side in sides)) for _ in range(RESAMPLES)]
    return [round(float(at), 3) for at in np.percentile(found, (2.5, 97.5))]


def grouped(rows, scores):
    groups = {}
    for row in rows:
        groups.setdefault(row["person"], []).append(scores[row["path"]])
    return {person: np.array(values) for person, values in groups.items()}


def rate(genuine, fake, scores):
    one, other = grouped(genuine, scores), grouped(fake, scores)
    value = eer(np.concatenate(list(one.values())), np.concatenate(list(other.values())))
    return {"eer": round(value, 3), "interval": interval(eer, one, other), "genuine": len(genuine), "synthetic": len(fake)}


def order(genuine, copies, scores):
    """Share of copies that score above their own original."""
    own = {row["pair"]: scores[row["path"]] for row in genuine}
    pairs = {}
    for row in copies:
        if row["pair"] in own:
            pairs.setdefault(row["person"], []).append(scores[row["path"]] > own[row["pair"]])
    pairs = {person: np.array(values, float) for person, values in pairs.items()}
    every = np.concatenate(list(pairs.values()))
    return {"in_order": round(float(every.mean()), 3), "interval": interval(np.mean, pairs), "pairs": len(every)}


def table(rows, scores):
    """Each genuine corpus against Kokoro, against its copies and against the other synthesisers."""
    rows = [row for row in rows if scores[row["path"]] is not None]
    genuine = [row for row in rows if row["label"] == "genuine"]
    told = {}
    for corpus in sorted({row["corpus"] for row in genuine}):
        mine = [row for row in genuine if row["corpus"] == corpus]
        copies = [row for row in rows if row["corpus"] == corpus and row["manipulation"]]
        told[corpus] = {"copies": rate(mine, copies, scores), "pairs": order(mine, copies, scores)}
        for name in ("kokoro", "piper", "espeak", "flite", "festival"):
            other = [row for row in rows if row["manipulation"] == name]
            if other:
                told[corpus][name] = rate(mine, other, scores)
    return told


def calibration(rows, scores):
    """Platt's scale and offset at even odds, and the largest of the corpora's points of `FALSE_ALARMS`."""
    rows = [row for row in rows if scores[row["path"]] is not None]
    label = np.array([row["label"] == "manipulated" for row in rows])
    logit = np.array([scores[row["path"]] for row in rows])
    fitted = LogisticRegression(C=1e6, class_weight="balanced").fit(logit[:, None], label)
    scale, offset = float(fitted.coef_[0, 0]), float(fitted.intercept_[0])
    corpora = np.array([row["corpus"] for row in rows])
    points = {str(name): float(np.quantile(logit[~label & (corpora == name)], 1 - FALSE_ALARMS)) for name in set(corpora[~label])}
    highest = max(points.values())
    return {"scale": round(scale, 6), "offset": round(offset, 6), "threshold_logit": round(highest, 4),
            "threshold": round(float(1 / (1 + np.exp(-scale * highest - offset))), 4), "items": len(rows)}


def found(rows, scores, threshold):
    """Shares at or over the threshold, of genuine corpora and of kinds of manipulation."""
    shares = {}
    for row in rows:
        if scores[row["path"]] is not None:
            shares.setdefault(row["manipulation"] or "genuine " + row["corpus"], []).append(scores[row["path"]] >= threshold)
    return {name: [round(float(np.mean(values)), 3), len(values)] for name, values in sorted(shares.items())}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="what polytrain.voice.testset made")
    parser.add_argument("--network", type=Path, nargs="+", required=True, help="ONNX files")
    parser.add_argument("--encoder", type=Path, required=True)
    parser.add_argument("--silero", type=Path, required=True)
    parser.add_argument("--split", default="test", choices=("test", "calibration"))
    parser.add_argument("--codec", help="send all through one of damage.CODECS first")
    parser.add_argument("--threshold", type=float, nargs="*", default=[], help="logit from which on there are signs, of each network")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    rows = [row for row in csv.DictReader(open(args.folder / "manifest.csv", encoding="utf-8")) if row["split"] == args.split]
    waves = [soundfile.read(args.folder / row["path"], dtype="float32")[0] for row in rows]
    if args.codec:
        waves = [wave for at in range(0, len(waves), 100) for wave in through(args.codec, waves[at:at + 100])]
    activity, encoder = Activity(args.silero), Encoder(args.encoder)
    scorers = [judge.network(path) for path in args.network]
    scores = [{} for _ in scorers]
    for row, wave in zip(rows, waves):
        told = judge.inputs(wave, activity, encoder)
        for mine, score in zip(scores, scorers):
            mine[row["path"]] = judge.logit(score, told)
    report = []
    for at, (path, mine) in enumerate(zip(args.network, scores)):
        one = {"network": path.name, "split": args.split, "codec": args.codec or "none"}
        if args.split == "calibration":
            one["calibration"] = calibration(rows, mine)
        else:
            one["corpora"] = table(rows, mine)
            if at < len(args.threshold):
                one["found"] = found(rows, mine, args.threshold[at])
        report.append(one)
    args.out.write_text(json.dumps(report, indent=1) + "\n")
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
