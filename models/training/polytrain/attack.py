# SPDX-License-Identifier: Apache-2.0
"""What little it takes to fool the network for faces: the fast gradient sign method (Goodfellow et al., ICLR 2015) against our own
weights, on crops of one picture a second of segments that `fuse.quadrants` made.

    attack.py --network face-forensics.onnx --blazeface ONNX NAME=FOLDER... --out RESULTS.json

The attacker knows the network and changes each value of the crop by at most 2 or 4 of 255 towards the other answer: manipulated faces
are hidden, genuine ones are made suspect. It is the least that an attacker can do; what survives it may fall to more. Changes are
made to the crop; whether they outlive a codec isn't measured."""

import argparse
import json
import tomllib
from pathlib import Path

import numpy as np
import onnx2torch
import torch
from sklearn.metrics import roc_auc_score

from .blazeface import BlazeFace
from .crop import MOST_PADDING, crop, padding, square
from .extract import frames_of

STEPS = (0, 2, 4)
EVERY = 25


def crops(folder, detector):
    """Crops `[n,3,128,128]` of 0..1 and their labels, of segments with their own true sound."""
    found, labels = [], []
    for path in sorted(folder.glob("*.?00.mkv")):
        for frame in frames_of(path)[::EVERY]:
            faces = detector(frame)
            if not faces:
                continue
            _, box, points = max(faces, key=lambda face: face[1][2])
            place = square(box, points)
            if padding(place, frame.shape[1], frame.shape[0]) <= MOST_PADDING:
                found.append(crop(frame, place).transpose(2, 0, 1) / 255)
                labels.append(int(path.name.split(".")[2][0]))
    return torch.tensor(np.stack(found), dtype=torch.float32), np.array(labels)


def attacked(model, pictures, labels, step):
    """Logits after one step of `step` / 255 towards the other label."""
    out = []
    for part, its in zip(pictures.split(32), torch.tensor(labels).split(32)):
        part = part.clone().requires_grad_(True)
        logit = model(part)[0]
        logit.sum().backward()
        way = torch.where(its > 0, -1.0, 1.0)[:, None, None, None]
        moved = (part + way * step / 255 * part.grad.sign()).clamp(0, 1).detach()
        with torch.no_grad():
            out.append(model(moved)[0].numpy())
    return np.concatenate(out)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("groups", nargs="+")
    parser.add_argument("--network", type=Path, required=True)
    parser.add_argument("--blazeface", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    model, detector = onnx2torch.convert(str(args.network)).eval(), BlazeFace(args.blazeface)
    card = tomllib.loads((Path(__file__).resolve().parents[2] / "cards/face-forensics.toml").read_text())["calibration"]
    signs = lambda logits: 1 / (1 + np.exp(-(card["scale"] * logits + card["offset"]))) >= card["threshold"]
    result = {}
    for name, folder in (given.split("=", 1) for given in args.groups):
        pictures, labels = crops(Path(folder), detector)
        its = result[name] = {"genuine": int((labels == 0).sum()), "manipulated": int((labels == 1).sum()), "steps": {}}
        by_step = {step: attacked(model, pictures, labels, step) for step in STEPS}
        clean = by_step[0]
        for step, logits in by_step.items():
            hidden, framed = np.where(labels == 1, logits, clean), np.where(labels == 0, logits, clean)
            its["steps"][f"{step}/255"] = {
                "auc, manipulated ones hidden": round(float(roc_auc_score(labels, hidden)), 3),
                "auc, genuine ones made suspect": round(float(roc_auc_score(labels, framed)), 3),
                "manipulated with signs": round(float(signs(logits[labels == 1]).mean()), 3),
                "genuine with signs": round(float(signs(logits[labels == 0]).mean()), 3),
            }
    args.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
