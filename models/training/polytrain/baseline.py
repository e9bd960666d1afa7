# SPDX-License-Identifier: Apache-2.0
"""The floor that the trained network has to clear: frozen ImageNet features of EfficientNet-Lite0 with a logistic head,
trained on DFDC's training persons, for the items of an evaluation folder. Writes its `baselines.json`."""

import argparse
import csv
import json
from pathlib import Path

import av
import cv2
import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from . import crop, folds, network, pairs
from .blazeface import BlazeFace

GREY = 127
# Every fifth frame of 25 a second, as the product looks at clips.
STEP = 5


def crops_of(path, detector):
    """Crops of the biggest face: one of a still (inside of a grey canvas of twice its size), several of a clip."""
    if path.suffix.lower() in (".jpg", ".jpeg", ".png"):
        picture = cv2.imread(str(path))[:, :, ::-1]
        height, width = picture.shape[:2]
        canvas = np.full((2 * height, 2 * width, 3), GREY, np.uint8)
        canvas[height // 2 : height // 2 + height, width // 2 : width // 2 + width] = picture
        pictures = [canvas]
    else:
        with av.open(str(path)) as file:
            pictures = [frame.to_ndarray(format="rgb24") for at, frame in enumerate(file.decode(video=0)) if at % STEP == 0][:60]
    for picture in pictures:
        faces = detector(picture)
        if faces:
            _, box, points = max(faces, key=lambda face: face[1][2])
            yield crop.crop(np.ascontiguousarray(picture), crop.square(box, points)) / 255


@torch.no_grad()
def features(model, crops):
    """Mean features at the top, `[N,1280]`."""
    found = []
    for at in range(0, len(crops), 32):
        batch = torch.from_numpy(np.stack(crops[at : at + 32]).transpose(0, 3, 1, 2).astype(np.float32))
        found.append(model.features(batch.contiguous(memory_format=torch.channels_last))[1].mean((2, 3)).numpy())
    return np.concatenate(found)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="evaluation folder with manifest.csv")
    parser.add_argument("--faces", type=Path, required=True)
    parser.add_argument("--folds", type=Path, required=True)
    parser.add_argument("--blazeface", type=Path, required=True)
    parser.add_argument("--crops", type=int, default=4000, help="DFDC crops to train the head on")
    args = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    model = network.FaceForensics().eval().to(memory_format=torch.channels_last)
    fold, _ = folds.read(args.folds)
    faces = pairs.of_fold(args.faces, fold, "train")
    rng = np.random.default_rng(5)
    labels = faces.original != ""
    chosen = np.concatenate([rng.permutation(np.flatnonzero(labels == label))[: args.crops // 2] for label in (False, True)])
    crops = []
    for at in chosen:
        picture = cv2.imread(str(faces.path[at]))[:, :, ::-1]
        crops.append(crop.crop(np.ascontiguousarray(picture), crop.square(faces.box[at, 0], faces.points[at, 0])) / 255)
    scaler = StandardScaler()
    head = LogisticRegression(C=0.01, max_iter=500).fit(scaler.fit_transform(features(model, crops)), labels[chosen])
    detector, scores = BlazeFace(args.blazeface), {}
    with open(args.folder / "manifest.csv", newline="", encoding="utf-8") as rows:
        for row in csv.DictReader(rows):
            found = list(crops_of(args.folder / row["path"], detector))
            if found:
                scores[row["path"]] = round(float(head.decision_function(scaler.transform(features(model, found))).mean()), 4)
    baseline = {"name": "frozen ImageNet features with a logistic head", "split": "test", "scores": scores}
    (args.folder / "baselines.json").write_text(json.dumps([baseline]))
    print(f"{len(scores)} items scored")


if __name__ == "__main__":
    main()
