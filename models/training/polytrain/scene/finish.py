# SPDX-License-Identifier: Apache-2.0
"""Makes a product of what `refit` left: fits the model of embeddings, calibrates, and writes ONNX. Everything is chosen on MiniPlaces' half
to choose with; the test half isn't opened."""

import argparse
import json
import time
from pathlib import Path

import cv2
import numpy as np
import torch
from scipy.linalg import eigh
from scipy.optimize import minimize
from torch import nn
from torch.nn import functional

from ..blazeface import session
from .data import Pictures, tensor
from .groups import GROUP_OF, GROUPS, INDOOR, NONE
from .network import SIDE, Scene, place, sums

DIMENSIONS = 32
# Pictures on which the ONNX file is compared with PyTorch.
CHECKED = 16
# Precision on the half to choose with that the threshold has to reach; the aim on the test half is 0.90.
PRECISION, PLACE_PRECISION = 0.91, 0.98
# Examples that a label is made of when labels of users are calibrated, and the part of strangers that may pass.
EXAMPLES, FALSE_ALARMS = 5, 0.005


class Product(nn.Module):
    """The network as it is shipped: groups, place, and the embedding in the dimensions that tell labels apart."""

    def __init__(self, scene: Scene, centre, projection):
        super().__init__()
        self.scene = scene
        self.register_buffer("centre", torch.tensor(centre, dtype=torch.float32))
        self.register_buffer("projection", torch.tensor(projection, dtype=torch.float32))

    def forward(self, picture):
        groups, indoor, embedding = self.scene(picture)
        return groups, indoor, (embedding - self.centre) @ self.projection


def hits(groups, label):
    """Micro and macro top-1 in groups."""
    right = groups.argmax(1) == GROUP_OF[label]
    each = [right[GROUP_OF[label] == group].mean() for group in np.unique(GROUP_OF[label])]
    return {"micro": float(right.mean()), "macro": float(np.mean(each))}


def modelled(embedding, label):
    """Centre, projection `[1280, DIMENSIONS]` and variances between labels: within a label the variance is 1 (linear discriminants,
    with a covariance that is shrunk towards its diagonal)."""
    centre = embedding.mean(0)
    shifted = embedding - centre
    names = np.unique(label)
    means = np.stack([shifted[label == name].mean(0) for name in names])
    rest = shifted - means[np.searchsorted(names, label)]
    within = rest.T @ rest / len(rest)
    within = 0.5 * within + 0.5 * np.diag(np.diag(within)) + 1e-4 * np.eye(len(within)) * np.trace(within) / len(within)
    spread = means.T @ means / len(means)
    values, vectors = eigh(spread, within, subset_by_index=(len(within) - DIMENSIONS, len(within) - 1))
    # A mean of n pictures varies by 1/n of its own accord.
    noise = np.mean([1 / np.sum(label == name) for name in names])
    return centre, vectors[:, ::-1].copy(), np.maximum(values[::-1] - noise, 1e-3)


def widened(projection, shifted, label):
    """The projection and the variances between labels for pictures that training hasn't seen: these lie further from their label's mean."""
    points = shifted @ projection
    names, count = np.unique(label, return_counts=True)
    means = np.stack([points[label == name].mean(0) for name in names])
    within = ((points - means[np.searchsorted(names, label)]) ** 2).sum(0) / (len(points) - len(names))
    spread = means.var(0) - within * np.mean(1 / count)
    return projection / np.sqrt(within), np.maximum(spread / within, 1e-3)


def ratio(between, mean, count, embedding):
    """`likely` of `models/src/scene/added.rs`, before the sigmoid."""
    centre = mean * between / (between + 1 / count)
    own, anyone = between / (count * between + 1) + 1, between + 1
    return 0.5 * (np.log(anyone / own) + embedding**2 / anyone - (embedding - centre) ** 2 / own).sum(1)


def sigmoid(x):
    return 1 / (1 + np.exp(-np.clip(x, -50, 50)))


def platt(score, truth, alike):
    """Scale and offset. `alike`: both classes weigh the same, however many there are of each."""
    weight = np.where(truth, 0.5 / truth.sum(), 0.5 / (~truth).sum()) if alike else 1 / len(truth)

    def loss(x):
        p = np.clip(sigmoid(x[0] * score + x[1]), 1e-7, 1 - 1e-7)
        return -(weight * np.where(truth, np.log(p), np.log(1 - p))).sum()

    return [float(x) for x in minimize(loss, [1 / max(score.std(), 1e-6), 0.0], method="Nelder-Mead").x]


def temperature(groups, truth):
    """The scale of log-probabilities with the least negative log-likelihood."""
    scales = np.linspace(0.4, 2.0, 161)
    logs = [functional.log_softmax(torch.tensor(groups * scale), 1).numpy()[np.arange(len(truth)), truth].mean() for scale in scales]
    return float(scales[int(np.argmax(logs))])


def threshold(p, right, precision):
    """The least threshold from which on what is answered has that precision."""
    order = np.argsort(-p)
    running = np.cumsum(right[order]) / np.arange(1, len(p) + 1)
    good = np.flatnonzero(running >= precision)
    at = good[-1] if len(good) else 0
    return float(p[order][at]), float((at + 1) / len(p))


def added(embedding, label, between, rng):
    """Calibrates labels of users: each class in turn is one, made of some of its pictures."""
    scores, truths = [], []
    for name in np.unique(label):
        mine = rng.permutation(np.flatnonzero(label == name))
        if len(mine) <= EXAMPLES:
            continue
        examples, rest = mine[:EXAMPLES], mine[EXAMPLES:]
        others = rng.permutation(np.flatnonzero(label != name))[:500]
        scores.append(ratio(between, embedding[examples].mean(0), EXAMPLES, embedding[np.concatenate([rest, others])]))
        truths.append(np.concatenate([np.ones(len(rest), bool), np.zeros(len(others), bool)]))
    score, truth = np.concatenate(scores), np.concatenate(truths)
    scale, offset = platt(score, truth, alike=True)
    p = sigmoid(scale * score + offset)
    least = float(np.quantile(p[~truth], 1 - FALSE_ALARMS))
    return {"scale": scale, "offset": offset, "least": least, "found": float((p[truth] >= least).mean())}


def run(path, data, places):
    """What the ONNX file says, and milliseconds of one thread a picture."""
    net, parts, began = session(path), [], time.process_time()
    for at in places:
        parts.append(net.run(None, {"picture": np.ascontiguousarray(tensor([data[at]]).numpy())}))
    spent = time.process_time() - began
    return [np.concatenate(column) for column in zip(*parts)], 1000 * spent / len(places)


def calibrated(out, label, rng):
    """All numbers that the card needs, of what a file says of MiniPlaces' half to choose with."""
    groups, indoor, embedding, between = out
    truth = GROUP_OF[label]
    scale = temperature(groups, truth)
    p = functional.softmax(torch.tensor(groups * scale), 1).numpy()
    best = p.argmax(1)
    least, coverage = threshold(p.max(1), best == truth, PRECISION)
    place_scale, place_offset = platt(indoor, INDOOR[label], alike=False)
    side = sigmoid(place_scale * indoor + place_offset)
    place_least, place_coverage = threshold(np.maximum(side, 1 - side), (side >= 0.5) == INDOOR[label], PLACE_PRECISION)
    return {
        **hits(groups, label), "indoor_right": float(((side >= 0.5) == INDOOR[label]).mean()),
        "scale": scale, "threshold": least, "coverage": coverage,
        "place_scale": place_scale, "place_offset": place_offset, "place_least": max(place_least, 0.5), "place_coverage": place_coverage,
        "added": added(embedding, label, between, rng),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=Path, required=True)
    parser.add_argument("--refit", type=Path, required=True, help="what refit wrote")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    args.out.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(7)
    report = json.loads((args.refit / "refit.json").read_text())
    model = Scene(pretrained=False, seen=report["seen"]).eval()
    model.load_state_dict(torch.load(args.refit / "weights.pt", weights_only=True))
    found = np.load(args.refit / "features.npz")
    embedding, label, train = found["embedding"], found["label"], found["train"]
    scenes = train & (GROUP_OF[label] != GROUPS.index(NONE))
    centre, projection, _ = modelled(embedding[scenes], label[scenes])
    projection, between = widened(projection, embedding[~train] - centre, label[~train])
    with torch.no_grad():
        logits = model.head(torch.from_numpy(embedding[~train]))
        out = sums(logits).numpy(), place(logits).numpy(), (embedding[~train] - centre) @ projection, between
    report["choose"] = {"pictures": int((~train).sum()), **calibrated(out, label[~train], rng)}
    print(json.dumps(report["choose"]), flush=True)
    full = args.out / "scene-groups.onnx"
    product = Product(model, centre, projection).eval().to(memory_format=torch.contiguous_format)
    torch.onnx.export(
        product, (torch.rand(2, 3, SIDE, SIDE),), str(full), input_names=["picture"], output_names=["scene", "indoor", "embedding"],
        dynamic_axes={name: {0: "n"} for name in ("picture", "scene", "indoor", "embedding")}, opset_version=17, dynamo=False,
    )
    choose = Pictures(args.pictures, "choose")
    places = np.arange(CHECKED)
    (groups, *_), spent = run(full, choose, places)
    with torch.no_grad():
        wanted = product(tensor([choose[at] for at in places]).contiguous())[0].numpy()
    report["onnx"] = {"bytes": full.stat().st_size, "cpu_ms": spent, "worst_difference": float(np.abs(groups - wanted).max())}
    report["between"] = [round(float(value), 4) for value in between]
    (args.out / "finish.json").write_text(json.dumps(report, indent=1))
    print(json.dumps(report["onnx"]))


if __name__ == "__main__":
    main()
