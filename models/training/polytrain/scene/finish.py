# SPDX-License-Identifier: Apache-2.0
"""Makes a product of a trained network: chooses the size at which it sees a picture, fits the model of embeddings, writes ONNX (fp32 and
int8), and calibrates what the product will run. Everything is chosen on MiniPlaces' half to choose with; the test half isn't opened."""

import argparse
import json
import time
from pathlib import Path

import cv2
import numpy as np
import torch
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from scipy.linalg import eigh
from scipy.optimize import minimize
from torch import nn
from torch.nn import functional

from ..blazeface import session
from .data import Pictures, tensor
from .groups import GROUP_OF, GROUPS, INDOOR, NONE
from .network import SIDE, Scene, place, sums

SIZES = (128, 160)
# Pictures of the half to choose with that a size is tried on, and of training that embeddings are modelled by.
TRIED, MODELLED, QUANTISED = 600, 2500, 64
DIMENSIONS = 64
# Precision on the half to choose with that the threshold has to reach; the aim on the test half is 0.90.
PRECISION, PLACE_PRECISION = 0.91, 0.98
# Examples that a label is made of when labels of users are calibrated, and the part of strangers that may pass.
EXAMPLES, FALSE_ALARMS = 20, 0.005


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


def looked(model, data, places):
    """`(groups' log-probabilities, indoor logits, embeddings)` of pictures."""
    parts = []
    with torch.no_grad():
        for part in np.array_split(places, max(1, len(places) // 32)):
            parts.append([out.numpy() for out in model(tensor([data[at] for at in part]))])
    return [np.concatenate(column) for column in zip(*parts)]


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
    within = 0.9 * within + 0.1 * np.diag(np.diag(within)) + 1e-4 * np.eye(len(within)) * np.trace(within) / len(within)
    spread = means.T @ means / len(means)
    values, vectors = eigh(spread, within, subset_by_index=(len(within) - DIMENSIONS, len(within) - 1))
    # A mean of n pictures varies by 1/n of its own accord.
    noise = np.mean([1 / np.sum(label == name) for name in names])
    return centre, vectors[:, ::-1].copy(), np.maximum(values[::-1] - noise, 1e-3)


def ratio(between, mean, count, embedding):
    """`likely` of `models/src/scene/added.rs`, before the sigmoid."""
    centre = mean * between / (between + 1 / count)
    own, anyone = between / (count * between + 1) + 1, between + 1
    return 0.5 * (np.log(anyone / own) + embedding**2 / anyone - (embedding - centre) ** 2 / own).sum(1)


def sigmoid(x):
    return 1 / (1 + np.exp(-np.clip(x, -50, 50)))


def platt(score, truth):
    """Scale and offset; both classes weigh the same."""
    weight = np.where(truth, 0.5 / truth.sum(), 0.5 / (~truth).sum())

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
    scale, offset = platt(score, truth)
    p = sigmoid(scale * score + offset)
    least = float(np.quantile(p[~truth], 1 - FALSE_ALARMS))
    return {"scale": scale, "offset": offset, "least": least, "found": float((p[truth] >= least).mean())}


class Examples(CalibrationDataReader):
    """Training pictures, for the ranges of activations."""

    def __init__(self, data, places):
        self.batches = iter([{"picture": tensor([data[at] for at in part]).contiguous().numpy()} for part in np.array_split(places, 16)])

    def get_next(self):
        return next(self.batches, None)


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
    place_scale, place_offset = platt(indoor, INDOOR[label])
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
    parser.add_argument("--weights", type=Path, required=True, help="weights.pt or checkpoint.pt of polytrain.scene.train")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seen", type=int, help="the size, when it was chosen before")
    parser.add_argument("--limit", type=int, help="at most so many pictures of the half to choose with and of training: to try it out")
    args = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    args.out.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(7)
    saved = torch.load(args.weights, weights_only=True)
    model = Scene(pretrained=False).eval()
    model.load_state_dict(saved.get("model", saved))
    model = model.to(memory_format=torch.channels_last)
    choose, train = Pictures(args.pictures, "choose"), Pictures(args.pictures, "train")
    scenes = rng.permutation(np.flatnonzero(GROUP_OF[choose.label] != GROUPS.index(NONE)))[: args.limit]
    report = {"sizes": {}}
    for size in SIZES if args.seen is None else ():
        model.seen = size
        tried = rng.permutation(scenes)[:TRIED]
        report["sizes"][size] = hits(looked(model, choose, tried)[0], choose.label[tried])
        print(size, report["sizes"][size], flush=True)
    # The larger one has to earn its cost: half a per cent.
    best = max(SIZES, key=lambda size: report["sizes"][size]["micro"] - 0.005 * SIZES.index(size)) if args.seen is None else args.seen
    model.seen = report["seen"] = best
    places = rng.permutation(np.flatnonzero(GROUP_OF[train.label] != GROUPS.index(NONE)))[: args.limit or MODELLED]
    centre, projection, between = modelled(looked(model, train, places)[2], train.label[places])
    full, prepared, small = (args.out / name for name in ("scene-groups.onnx", "prepared.onnx", "scene-groups.int8.onnx"))
    product = Product(model, centre, projection).eval().to(memory_format=torch.contiguous_format)
    torch.onnx.export(
        product, (torch.rand(2, 3, SIDE, SIDE),), str(full), input_names=["picture"], output_names=["scene", "indoor", "embedding"],
        dynamic_axes={name: {0: "n"} for name in ("picture", "scene", "indoor", "embedding")}, opset_version=17, dynamo=False,
    )
    quant_pre_process(str(full), str(prepared))
    quantize_static(
        str(prepared), str(small), Examples(train, places[:QUANTISED]), op_types_to_quantize=["Conv"],
        quant_format=QuantFormat.QDQ, activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8, per_channel=True,
    )
    prepared.unlink()
    for name, path in (("fp32", full), ("int8", small)):
        out, spent = run(path, choose, scenes)
        report[name] = {"bytes": path.stat().st_size, "cpu_ms": spent, **calibrated((*out, between), choose.label[scenes], rng)}
        print(name, json.dumps(report[name]), flush=True)
    report["between"] = [round(float(value), 4) for value in between]
    (args.out / "finish.json").write_text(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
