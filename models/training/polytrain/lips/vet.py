# SPDX-License-Identifier: Apache-2.0
"""Vets training clips of a list (folds/lips.tsv) by networks that there are: whether lips fit the sound (`usable`), and by how many steps the sound is
late (`late_steps`). The longest track of a clip decides, if somebody speaks in it. Calibration clips are left as they are."""

import argparse
import csv
from pathlib import Path

import numpy as np

from . import clips, data, measure
from .train import Model

LONG = 250
"""Steps from which on a clip's offset is believed: 10 s."""


def looked_at(model, stem, person):
    """(steps, offset, confidence) of the longest track with speech; None without one."""
    found = None
    for clip in clips.read(stem, person, 60):
        if clip.speech.mean() < 0.3 or (found and len(clip) <= found[0]):
            continue
        seen, heard = measure.vectors(model, clip)
        means = measure.curve(seen, heard)
        found = len(clip), int(means.argmax()) - measure.REACH, (means.max() - np.median(means)) / (seen @ heard.T).std()
    return found


def judged(found, new):
    """(usable, late_steps) of a clip; those that are `new` have to show that lips and sound fit."""
    if found is None:
        return not new, 0
    steps, late, confidence = found
    if steps >= LONG and confidence >= 0.6 and abs(late) <= 8:
        return True, late if abs(late) >= 2 else 0
    if steps >= LONG and (abs(late) > 8 or (new and confidence < 0.45)):
        return False, 0
    return not new or (abs(late) <= 3 and confidence >= 0.5), 0


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=Path, required=True, help="the list, which is written anew")
    parser.add_argument("--new", nargs="*", default=[], help="clips that were not vetted before, by file name")
    parser.add_argument("--grid", type=Path, required=True)
    parser.add_argument("--talk", type=Path, required=True)
    parser.add_argument("--shipped", type=Path, required=True, help="folder of lips-mouth.onnx and lips-sound.onnx")
    args = parser.parse_args()
    model = Model()
    model.take(args.shipped, *next(iter(data.Pieces(clips.grid(args.grid, {9}), 20, 1, 1.0))))
    model.eval()
    with open(args.people, newline="", encoding="utf-8") as table:
        rows = list(csv.DictReader(table, delimiter="\t"))
    new = set(args.new)
    for row in rows:
        stem = args.talk / Path(row["file"]).stem
        if row["fold"] == "train" and row["usable"] == "1" and stem.with_name(stem.name + ".json").exists():
            usable, late = judged(looked_at(model, stem, row["person"]), row["file"] in new)
            row |= {"usable": str(int(usable)), "late_steps": str(late)}
    with open(args.people, "w", newline="", encoding="utf-8") as table:
        writer = csv.DictWriter(table, list(rows[0]), delimiter="\t", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
