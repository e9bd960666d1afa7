# SPDX-License-Identifier: Apache-2.0
"""What the likeness of lips and sound means, on calibration clips only: GRID speaker 1 at position 9, and people of the
calibration fold who talk elsewhere.

Nobody says which of those other clips are in sync, or show who is heard. So a clip's truth is its own offset over its whole
length, where both halves agree on it within a picture and it is within 200 ms; clips of under 8 s, and clips whose halves
disagree, are left out and counted. That leaves out clips at which the networks fail altogether as well: the test clips, which are
known to be in sync, are what shows how often that is.

For windows of 1, 3 and 6 s: the confidence of one's own against the same person's other sound, and whether the best offset is more than
200 ms, which it seldom is of one's own (logistic regression, both weighing the same), and the least confidence from which on 98 % of the offsets are right within a picture."""

import argparse
import json
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from . import clips, data, export, measure

REACH = measure.REACH
SECONDS = (1, 3, 6)
NEAR = 5
"""polygraph-core's: an offset of up to 200 ms."""


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
        # In parts of how much likeness varies: networks are surer of the face that they were trained on.
        found.append(((means.max() - np.median(means)) / np.nanstd(part), int(means.argmax()) - REACH))
    return found


def agreed(seen, heard):
    """The clip's offset in steps, if it can be believed."""
    if len(seen) < 200:
        return None
    alike = rows(seen, heard, 0, 0)
    best = lambda part: int(np.nanmean(part, 0).argmax()) - REACH
    halves, whole = [best(alike[: len(alike) // 2]), best(alike[len(alike) // 2 :])], best(alike)
    return whole if abs(halves[0] - halves[1]) <= 1 and abs(whole) <= 5 else None


def motions(clip):
    """Motion from picture to picture, as polygraph-core measures it: what a slide of the whole picture doesn't explain."""
    mouths = clip.mouths.astype(np.float32)
    mouths = mouths - mouths.mean((1, 2), keepdims=True)
    both = mouths[1:] + mouths[:-1]
    change = (mouths[1:] - mouths[:-1])[:, 1:-1, 1:-1].reshape(len(both), -1)
    right = ((both[:, 1:-1, 2:] - both[:, 1:-1, :-2]) / 4).reshape(len(both), -1)
    down = ((both[:, 2:, 1:-1] - both[:, :-2, 1:-1]) / 4).reshape(len(both), -1)
    dot = lambda a, b: (a * b).sum(1)
    xx, xy, yy, cx, cy = dot(right, right), dot(right, down), dot(down, down), dot(change, right), dot(change, down)
    area = xx * yy - xy * xy
    told = area > 1e-3 * xx * yy
    area = np.where(told, area, 1)
    x, y = np.where(told, (cx * yy - cy * xy) / area, 0), np.where(told, (cy * xx - cx * xy) / area, 0)
    rest = change - x[:, None] * right - y[:, None] * down
    spread = mouths[1:].reshape(len(both), -1).std(1)
    return np.where(spread < 1, 0, np.abs(rest).mean(1) / np.maximum(spread, 1))


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
        kept[name] = []
        for clip, (seen, heard) in zip(group, pairs[name]):
            truth = 0 if name == "grid-1" else agreed(seen, heard)
            if truth is None:
                left_out += 1
            else:
                kept[name].append((clip, seen, np.roll(heard, -truth, 0)))
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
        of = lambda found, group: np.array([(confidence, abs(late) > NEAR) for name, confidence, late in found if name == group], float).reshape(-1, 2)
        present = [group for group in groups if len(of(own, group)) >= 30 and len(of(other, group)) >= 30]
        if "strangers" not in present:
            continue
        # Both groups and both classes weigh the same, whatever there is of them.
        parts = [(of(found, group), label) for group in present for label, found in ((0, own), (1, other))]
        scores, labels = np.concatenate([part for part, _ in parts]), np.concatenate([np.full(len(part), label) for part, label in parts])
        weights = np.concatenate([np.full(len(part), 1 / len(part)) for part, _ in parts]) * len(scores) / len(parts)
        fit = LogisticRegression(C=1e6).fit(scores, labels, sample_weight=weights)
        (scale, far), offset = map(float, fit.coef_[0]), float(fit.intercept_[0])
        mismatch = lambda scores: 1 / (1 + np.exp(-(scores @ [scale, far] + offset)))
        order = sorted([(confidence, abs(late) <= 1) for name, confidence, late in own if name == "strangers"], reverse=True)
        right = np.cumsum([good for _, good in order]) / np.arange(1, len(order) + 1)
        enough = np.flatnonzero((right >= 0.98) & (np.arange(len(order)) >= 20))
        least = order[enough[-1]][0] if len(enough) else order[0][0]
        # Where a mismatch is as likely as not, an offset means nothing.
        told = lambda scores: (scores[:, 0] >= least) & (mismatch(scores) <= 0.5)
        row = {"seconds": seconds, "scale": round(scale, 4), "offset": round(offset, 4), "far": round(far, 4), "least_confidence": round(float(least), 4)}
        # Signs in one genuine window in a hundred at most.
        row["threshold"] = round(float(max(np.quantile(mismatch(of(own, group)), 0.99) for group in present)), 3)
        row["p_other_10"] = round(float(min(np.quantile(mismatch(of(other, group)), 0.1) for group in present)), 3)
        for group in present:
            mine, theirs = of(own, group), of(other, group)
            row[group] = {
                "own": len(mine), "other": len(theirs),
                "auc": round(float(roc_auc_score([0] * len(mine) + [1] * len(theirs), np.concatenate([mismatch(mine), mismatch(theirs)]))), 3),
                "auc_of_confidence": round(float(roc_auc_score([0] * len(mine) + [1] * len(theirs), -np.concatenate([mine, theirs])[:, 0])), 3),
                "signs": [round(float((mismatch(part) >= row["threshold"]).mean()), 3) for part in (mine, theirs)],
                "offset_right": round(float(np.mean([abs(late) <= 1 for name, _, late in own if name == group])), 3),
                "offset_told": round(float(told(mine).mean()), 3),
                "other_told": round(float(told(theirs).mean()), 3),
            }
        report["windows"].append(row)
    moving = []
    for name, group in kept.items():
        for clip, *_ in group:
            motion, talks = motions(clip), clip.speech[1:] >= 0.5
            moving += [motion[at : at + 50].mean() for at in range(0, len(motion) - 50, 25) if talks[at : at + 50].mean() >= 0.6]
    report["motion"] = {f"q{q}": round(float(np.quantile(moving, q / 100)), 4) for q in (0.5, 1, 5, 50)}
    # Of one face under another's voice of three seconds, one in ten is taken for the speaker.
    report["speaking"] = round(1 - next(row["p_other_10"] for row in report["windows"] if row["seconds"] == 3), 3)
    report["persons"] = len({clip.person for group in kept.values() for clip, *_ in group})
    report["talks"] = report["motion"]["q1"]
    report["still"] = round(report["motion"]["q1"] / 2, 4)
    print(json.dumps(report, indent=1))
    args.out.write_text(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
