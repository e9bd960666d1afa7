# SPDX-License-Identifier: Apache-2.0
"""Fits the head anew on whole pictures at the size at which the product sees them: training saw crops of another size (Touvron et al., Fixing
the train-test resolution discrepancy, NeurIPS 2019). First `--part 0/2` and `--part 1/2`, which write features; then without, which fits."""

import argparse
import json
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import nn
from torch.nn import functional

from .data import Pictures, tensor
from .groups import CLASSES, GROUP_OF, GROUPS, NONE
from .network import Scene, sums

# Of each class of training, and of the half to choose with.
EACH, CHOSEN = 120, 5000
RATES = (3e-4, 1e-3)


def picked(folder):
    """`(part, place)` of the pictures that are looked at."""
    rng = np.random.default_rng(5)
    train, choose = Pictures(folder, "train"), Pictures(folder, "choose")
    places = []
    for label in range(len(CLASSES)):
        own = rng.permutation(np.flatnonzero(train.label == label))
        places += [("train", at) for at in own[: EACH if CLASSES[label] != NONE else 10 * EACH]]
    scenes = np.flatnonzero(GROUP_OF[choose.label] != GROUPS.index(NONE))
    places += [("choose", at) for at in rng.permutation(scenes)[:CHOSEN]]
    return {"train": train, "choose": choose}, [places[at] for at in rng.permutation(len(places))]


def looked(model, data, places):
    found = []
    with torch.no_grad():
        for begin in range(0, len(places), 32):
            batch = tensor([data[part][at] for part, at in places[begin : begin + 32]])
            found.append(model.whole(batch).numpy())
    return np.concatenate(found)


def fitted(head, features, labels, rate):
    """The head after 150 steps, begun with what training left."""
    new = nn.Linear(head.in_features, head.out_features)
    new.load_state_dict(head.state_dict())
    optimiser = torch.optim.AdamW(new.parameters(), lr=rate, weight_decay=0.1)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, 150)
    generator = torch.Generator().manual_seed(3)
    groups = torch.from_numpy(GROUP_OF)
    for _ in range(150):
        at = torch.randint(len(features), (1024,), generator=generator)
        logits = new(functional.dropout(features[at], 0.2))
        loss = functional.cross_entropy(logits, labels[at], label_smoothing=0.05) + 0.5 * functional.nll_loss(sums(logits), groups[labels[at]])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return new


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--seen", type=int, default=160)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--part")
    args = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    torch.manual_seed(3)
    args.out.mkdir(parents=True, exist_ok=True)
    model = Scene(pretrained=False, seen=args.seen).eval()
    model.load_state_dict(torch.load(args.weights, weights_only=True))
    model = model.to(memory_format=torch.channels_last)
    data, places = picked(args.pictures)
    if args.part:
        part, parts = (int(number) for number in args.part.split("/"))
        mine = places[part::parts]
        blocks = [mine[begin : begin + 512] for begin in range(0, len(mine), 512)]
        for number, block in enumerate(blocks):
            path = args.out / f"features.{part}.{number}.npz"
            if path.exists():
                continue
            label = [data[kind].label[at] for kind, at in block]
            np.savez(path, embedding=looked(model, data, block), label=label, train=[kind == "train" for kind, _ in block])
            print(number + 1, "of", len(blocks), flush=True)
        return
    shards = [np.load(path) for path in sorted(args.out.glob("features.*.npz"))]
    embedding, label, train = (np.concatenate([shard[key] for shard in shards]) for key in ("embedding", "label", "train"))
    features, labels = torch.from_numpy(embedding), torch.from_numpy(label)
    truth = GROUP_OF[label[~train]]
    # Half of the pictures to choose with picks the rate; 0 leaves the head as it is.
    half = np.arange(len(truth)) % 2 == 0
    report, heads = {}, {}
    for rate in (0, *RATES):
        heads[rate] = fitted(model.head, features[train], labels[train], rate) if rate else model.head
        with torch.no_grad():
            right = sums(heads[rate](features[~train])).argmax(1).numpy() == truth
        report[rate] = {"picked_by": float(right[half].mean()), "rest": float(right[~half].mean())}
        print(rate, report[rate], flush=True)
    best = heads[max(report, key=lambda rate: report[rate]["picked_by"])]
    model.head.load_state_dict(best.state_dict())
    torch.save(model.state_dict(), args.out / "weights.pt")
    np.savez(args.out / "features.npz", embedding=embedding, label=label, train=train)
    (args.out / "refit.json").write_text(json.dumps({"seen": args.seen, "pictures": int(train.sum()), "rates": report}, indent=1))


if __name__ == "__main__":
    main()
