# SPDX-License-Identifier: Apache-2.0
"""Measures an ONNX file on the folder that `polygraph eval` reads, by training's own code: where there is no time for the product's, or to
hold both against one another. Writes the same figures in the same form."""

import argparse
import csv
import datetime
import io
import json
import subprocess
from pathlib import Path

import av
import cv2
import numpy as np

from ..blazeface import session
from .finish import sigmoid
from .groups import GROUPS, NONE
from .pack import squeezed

RESAMPLES, BINS = 1000, 15


def coded(picture, qp):
    """One picture through H.264 at a constant quantiser."""
    file = io.BytesIO()
    height, width = picture.shape[0] & ~1, picture.shape[1] & ~1
    with av.open(file, "w", format="matroska") as out:
        video = out.add_stream("libx264", rate=25, options={"qp": str(qp), "preset": "veryfast", "threads": "1", "x264-params": "ipratio=1.0"})
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        out.mux(video.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(picture[:height, :width]), format="bgr24")))
        out.mux(video.encode())
    file.seek(0)
    with av.open(file) as back:
        return next(back.decode(video=0)).to_ndarray(format="bgr24")


def estimate(values, statistic, rng):
    """A statistic of rows with its 95 % interval over items."""
    drawn = [statistic(values[rng.integers(0, len(values), len(values))]) for _ in range(RESAMPLES)]
    return {"value": float(statistic(values)), "interval": [float(x) for x in np.percentile(drawn, [2.5, 97.5])]}


def macro(rows):
    truth, said = rows[:, 0].astype(int), rows[:, 1].astype(int)
    own = np.bincount(truth, minlength=len(GROUPS))
    right = np.bincount(truth[truth == said], minlength=len(GROUPS))
    return (right[own > 0] / own[own > 0]).mean()


def calibration_error(rows):
    order = rows[np.argsort(rows[:, 2])]
    return sum(abs((part[:, 2] - (part[:, 0] == part[:, 1])).sum()) for part in np.array_split(order, BINS)) / len(rows)


def figures(rows, places, threshold, rng):
    """`rows`: truth, said, p; `places`: whether the right one is said, of items that have one."""
    told = rows[rows[:, 2] >= threshold]
    right = lambda part: (part[:, 0] == part[:, 1]).mean() if len(part) else np.nan
    classes = []
    for group in range(len(GROUPS)):
        own, said = rows[rows[:, 0] == group], told[told[:, 1] == group]
        classes.append({"items": len(own), "recall": float(right(own)) if len(own) else None, "told": len(said), "precision": float(right(said)) if len(said) else None})
    confusion = np.zeros((len(GROUPS), len(GROUPS)), int)
    np.add.at(confusion, (rows[:, 0].astype(int), rows[:, 1].astype(int)), 1)
    return {
        "figures": {
            "micro": estimate(rows, right, rng), "macro_": estimate(rows, macro, rng),
            "coverage": estimate(rows, lambda part: (part[:, 2] >= threshold).mean(), rng),
            "precision": estimate(told, right, rng) if len(told) else None, "ece": estimate(rows, calibration_error, rng),
        },
        "place": estimate(places, np.mean, rng) if len(places) else None,
        "refused": None, "classes": classes, "confusion": confusion.tolist(),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--onnx", type=Path, required=True)
    parser.add_argument("--finish", type=Path, required=True, help="finish.json, with the calibration")
    parser.add_argument("--corpora", nargs="+", default=["miniplaces", "fifteen", "intel", "black-bars", "text", "graphics"])
    parser.add_argument("--qp", type=int)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    cv2.setNumThreads(1)
    found = json.loads(args.finish.read_text())["choose"]
    net, rng = session(args.onnx), np.random.default_rng(3)
    with (args.folder / "scenes.csv").open() as file:
        lines = [line for line in csv.DictReader(file) if line["corpus"] in args.corpora]
    measured = []
    for corpus in args.corpora:
        rows, places, among = [], [], []
        own = [line for line in lines if line["corpus"] == corpus]
        known = [GROUPS.index(label) for label in sorted({label for line in own for label in line["label"].split("|")})]
        for line in own:
            picture = cv2.imread(str(args.folder / line["path"]))
            picture = squeezed(coded(picture, args.qp) if args.qp else picture)[:, :, ::-1]
            tensor = np.ascontiguousarray(picture.transpose(2, 0, 1)).astype(np.float32)[None] / 255
            logs, indoor = net.run(["scene", "indoor"], {"picture": tensor})
            powers = np.exp(found["scale"] * (logs[0] - logs[0].max()))
            p = powers / powers.sum()
            best, right = int(p.argmax()), line["label"].split("|")
            among.append(GROUPS[known[int(p[known].argmax())]] in right)
            rows.append((GROUPS.index(GROUPS[best] if GROUPS[best] in right else right[0]), best, float(p[best])))
            if line["place"]:
                side = sigmoid(found["place_scale"] * indoor[0] + found["place_offset"])
                # Of a picture that is taken for one without a scene no place is told.
                places.append(GROUPS[best] != NONE and (side >= 0.5) == (line["place"] == "indoor"))
        rows = np.array(rows)
        one = figures(rows, np.array(places), found["threshold"], rng)
        # As a choice among the groups that the corpus has; of MiniPlaces that is nearly the same.
        one["among"] = {"groups": len(known), **estimate(np.array(among), np.mean, rng)}
        if corpus in ("black-bars", "text", "graphics"):
            refused = (rows[:, 1] == GROUPS.index(NONE)) | (rows[:, 2] < found["threshold"])
            one["refused"] = estimate(refused, np.mean, rng)
        measured.append({"condition": f"qp{args.qp}" if args.qp else "clean", "corpus": corpus, "items": len(rows), "unreadable": 0, **one})
        print(corpus, measured[-1]["condition"], json.dumps(measured[-1]["figures"]), json.dumps(one["place"]), json.dumps(one["refused"]), flush=True)
        commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
        about = {"date": datetime.datetime.now(datetime.UTC).isoformat(), "commit": commit, "by": "models/training/polytrain/scene/measure.py", "threshold": found["threshold"]}
        args.out.write_text(json.dumps({"about": about, "labels": GROUPS, "measured": measured}))


if __name__ == "__main__":
    main()
