# SPDX-License-Identifier: Apache-2.0
"""Which score suffers least from the offset by person and camera? Measured on calibration persons only.

For each source of pairs: AUC over all (pooled) and the share of pairs in the right order (within a person, camera and
light), for the joined logit that ships, the whole face's logit alone, the mean and the highest cells of the map, and two
scores that refer to the face's own rest: highest cells less their mean, and lower less upper half.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from sklearn.metrics import roc_auc_score

from . import folds, network, pairs


@torch.no_grad()
def scores(model, crops):
    """Every candidate of `[N,3,S,S]` bytes."""
    joined, whole, cells = (torch.cat(part) for part in zip(*(model.parts(batch.float() / 255) for batch in crops.split(32))))
    flat = cells.flatten(1)
    high = flat.topk(8, dim=1).values.mean(1)
    return {
        "joined": joined, "whole face": whole, "map, mean": flat.mean(1), "map, highest": high,
        "highest less mean": high - flat.mean(1),
        "lower less upper half": cells[:, 4:].mean((1, 2)) - cells[:, :4].mean((1, 2)),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--faces", type=Path, required=True)
    parser.add_argument("--folds", type=Path, required=True)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--pairs", type=int, default=300)
    args = parser.parse_args()
    model = network.FaceForensics(pretrained=False).eval()
    model.load_state_dict(torch.load(args.weights, weights_only=True)["mean"])
    fold, _ = folds.read(args.folds)
    sources = pairs.dfdc_faces(args.faces, fold, "calibration") | pairs.still_faces(args.faces, held=True)
    report, every = {}, {}
    for source in (pairs.DFDC_FAKES, "dfdc", "lfw", "masks", "talk"):
        maker = pairs.Maker(sources, 4, {source: 1.0})
        crops = torch.from_numpy(np.concatenate([maker.tensors(pair)[0] for pair in maker.pairs(args.pairs)]))
        found = {name: value.numpy() for name, value in scores(model, crops).items()}
        for name, value in found.items():
            every.setdefault(name, []).append(value)
        report[source] = {name: figures(value) for name, value in found.items()}
    report["all sources pooled"] = {name: figures(np.concatenate(value)) for name, value in every.items()}
    print(json.dumps(report, indent=1))
    if args.out:
        args.out.write_text(json.dumps(report, indent=1))


def figures(values):
    """Genuine and manipulated alternate."""
    labels = np.tile([0, 1], len(values) // 2)
    return {"pooled_auc": round(roc_auc_score(labels, values), 4), "pairs_in_order": round(float(np.mean(values[1::2] > values[::2])), 4)}


if __name__ == "__main__":
    main()
