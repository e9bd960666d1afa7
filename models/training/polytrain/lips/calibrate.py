# SPDX-License-Identifier: Apache-2.0
"""What the likeness of lips and sound means, on calibration clips only: GRID speaker 1 at position 9, and people of the
calibration fold who talk elsewhere, less the clips that are clearly out of sync by themselves.

For windows of 1, 3 and 6 s: the confidence of one's own against the same person's other sound (Platt scaling, both weighing
the same), and the least confidence from which on 98 % of the offsets are right within a picture."""

import argparse
import json
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from . import clips, data, export, measure

REACH = measure.REACH
SECONDS = (1, 3, 6)


def rows(seen, heard, shift, steps):
    """Likeness of each mouth at each offset, when the sound is taken `shift` steps later; NaN where there is none."""
    count = len(seen)
    alike = np.full((count, 2 * REACH + 1), np.nan)
    for offset in range(-REACH, REACH + 1):
        to = np.arange(count) + data.LEAD + offset + shift
        good = (to >= 0) & (to < len(heard))
        alike[good, offset + REACH] = (seen[good] * heard[to[good]]).sum(1)
    return alike


def windows(alike, speech, steps):
    """(confidence, offset in steps) of windows that hop half a window, where enough is spoken; as polygraph-core does it."""
    found = []
    least = min(steps * 3 // 5, 25)
    for end in range(min(steps, len(alike)), len(alike) + 1, max(steps // 2, 12)):
        # The newest four mouths have no vector yet when a frame is told.
        part = alike[max(end - steps + data.LEAD, 0) : end]
        known = np.isfinite(part).sum(0)
        if known.min() < max(0.6 * steps - REACH, 8) or (speech[max(end - steps, 0) + data.LEAD : end + data.LEAD] >= 0.5).sum() < least:
            continue
        means = np.nanmean(part, 0)
        found.append((means.max() - np.median(means), int(means.argmax()) - REACH))
    return found


def motions(clip):
    """Motion from picture to picture, as polygraph-core measures it."""
    mouths = clip.mouths.astype(np.float32).reshape(len(clip), -1)
    mouths = mouths - mouths.mean(1, keepdims=True)
    return np.abs(np.diff(mouths, axis=0)).mean(1) / np.maximum(mouths[1:].std(1), 1)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--grid", type=Path, required=True)
    parser.add_argument("--talk", type=Path, required=True)
    parser.add_argument("--people", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    model = export.load(args.weights)
    groups = {"grid-1": clips.grid(args.grid, {9}), "strangers": clips.people(args.talk, args.people, "calibrate")}
    pairs = {name: [measure.vectors(model, clip) for clip in group] for name, group in groups.items()}
    left_out = 0
    kept = {}
    for name, group in groups.items():
        curves = [measure.curve(*pair) for pair in pairs[name]]
        sure = np.median([values.max() - np.median(values) for values in curves])
        kept[name] = []
        for clip, (seen, heard), values in zip(group, pairs[name], curves):
            # Out of sync by itself: its best offset is elsewhere, and more clearly so than is usual. To leave out all whose
            # offset is elsewhere would leave out what the networks fail at.
            if abs(int(values.argmax()) - REACH) > 2 and values.max() - np.median(values) > sure:
                left_out += 1
                continue
            kept[name].append((clip, seen, heard))
    report = {"clips": {name: len(group) for name, group in groups.items()}, "left_out": left_out, "windows": []}
    for seconds in SECONDS:
        steps = 25 * seconds
        own, other = [], []
        for name, group in kept.items():
            for at, (clip, seen, heard) in enumerate(group):
                speech = clip.speech
                own += [(name, *found) for found in windows(rows(seen, heard, 0, steps), speech, steps)]
                mates = [mate for mate in group if mate[0].person == clip.person and mate[0] is not clip]
                # The same person's other sound; where there is but one clip, the same clip's sound from half of it on.
                if mates:
                    sound = mates[at % len(mates)][2]
                    size = min(len(heard), len(sound))
                    foreign = sound[:size]
                elif len(heard) > 250:
                    foreign = np.roll(heard, len(heard) // 2, 0)
                else:
                    continue
                other += [(name, *found) for found in windows(rows(seen, foreign, 0, steps), speech[: len(foreign)], steps)]
        strangers = lambda found: np.array([confidence for name, confidence, _ in found if name == "strangers"])
        if len(strangers(own)) < 30 or len(strangers(other)) < 30:
            continue
        # Strangers decide: what holds of the one speaker of training holds of nobody else.
        scores, labels = np.concatenate([strangers(own), strangers(other)]), np.repeat([0, 1], [len(strangers(own)), len(strangers(other))])
        fit = LogisticRegression(C=1e6, class_weight="balanced").fit(scores[:, None], labels)
        order = sorted([(confidence, abs(offset) <= 1) for name, confidence, offset in own if name == "strangers"], reverse=True)
        right = np.cumsum([good for _, good in order]) / np.arange(1, len(order) + 1)
        enough = np.flatnonzero((right >= 0.98) & (np.arange(len(order)) >= 20))
        least = order[enough[-1]][0] if len(enough) else order[0][0]
        report["windows"].append({
            "seconds": seconds,
            "scale": round(float(fit.coef_[0, 0]), 4), "offset": round(float(fit.intercept_[0]), 4), "least_confidence": round(float(least), 4),
            "own": len(own), "other": len(other), "auc_strangers": round(float(roc_auc_score(labels, -scores)), 3),
            "coverage_strangers": round(float(np.mean([confidence >= least for confidence in strangers(own)])), 3),
            "offset_strangers": round(float(np.mean([abs(offset) <= 1 for name, _, offset in own if name == "strangers"])), 3),
            "offset_grid": round(float(np.mean([abs(offset) <= 1 for name, _, offset in own if name == "grid-1"])), 3) if any(name == "grid-1" for name, *_ in own) else None,
            "p_own_95": round(float(np.quantile(1 / (1 + np.exp(-(fit.coef_[0, 0] * strangers(own) + fit.intercept_[0]))), 0.95)), 3),
            "p_own_99": round(float(np.quantile(1 / (1 + np.exp(-(fit.coef_[0, 0] * strangers(own) + fit.intercept_[0]))), 0.99)), 3),
            "p_other_05": round(float(np.quantile(1 / (1 + np.exp(-(fit.coef_[0, 0] * strangers(other) + fit.intercept_[0]))), 0.05)), 3),
        })
    moving = []
    for name, group in kept.items():
        for clip, *_ in group:
            motion, talks = motions(clip), clip.speech[1:] >= 0.5
            moving += [motion[at : at + 50].mean() for at in range(0, len(motion) - 50, 25) if talks[at : at + 50].mean() >= 0.6]
    report["motion"] = {f"q{q}": round(float(np.quantile(moving, q / 100)), 4) for q in (0.5, 1, 5, 50)}
    # False signs for one genuine window in a hundred at most, whatever its length; a speaker is named with as few errors.
    report["threshold"] = round(min(max(max(row["p_own_99"] for row in report["windows"]), 0.5), 0.995), 3)
    report["speaking"] = round(1 - min(min(row["p_other_05"] for row in report["windows"] if row["seconds"] == 3), 0.5), 3)
    report["still"] = round(report["motion"]["q1"] / 2, 4)
    print(json.dumps(report, indent=1))
    args.out.write_text(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
