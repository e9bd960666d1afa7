# SPDX-License-Identifier: Apache-2.0
"""Trains the face forensics network: one command, seeded, resumable; a checkpoint every ten minutes.

Stop rule: `--steps` optimiser steps or `--minutes` of training, whichever comes first; the learning rate falls along a
cosine of whichever of the two is further. Nothing is chosen on test persons; the last weights (an exponential mean) are what
ships.
"""

import argparse
import json
import math
import os
import time
from pathlib import Path

import numpy as np
import torch
from sklearn.metrics import roc_auc_score
from torch.nn import functional

from . import folds, network, pairs

CHECKPOINT_SECONDS = 600
EMA = 0.998
SMOOTHING = 0.05


def loss_of(model, crops, targets):
    """Sum of the losses of pairs `[P,2,3,S,S]` in 0..1 with cells `[P,2,8,8]`; and what to print."""
    count = len(crops)
    joined, whole, cells = model.parts(crops.flatten(0, 1).contiguous(memory_format=torch.channels_last))
    wanted = torch.tensor([SMOOTHING, 1 - SMOOTHING]).repeat(count)
    known = (targets.flatten(0, 1) >= 0).float()
    each = functional.binary_cross_entropy_with_logits(cells, targets.flatten(0, 1).clamp(0, 1), reduction="none")
    # Manipulated cells are fewer than genuine ones.
    weight = known * (1 + 2 * targets.flatten(0, 1).clamp(0, 1))
    by_cell = (each * weight).sum() / weight.sum()
    by_face = functional.binary_cross_entropy_with_logits(joined, wanted)
    by_whole = functional.binary_cross_entropy_with_logits(whole, wanted)
    # Within a pair person, camera and light are the same: only the manipulation may decide.
    genuine, fake = joined.view(count, 2).unbind(1)
    order = functional.softplus(1 - (fake - genuine)).mean()
    total = by_face + 0.5 * by_whole + by_cell + 0.3 * order
    return total, {"face": by_face.item(), "cell": by_cell.item(), "order": order.item(), "right": (fake > genuine).float().mean().item()}


class Mean:
    """Exponential mean of a model's weights."""

    def __init__(self, model):
        self.state = {name: value.detach().clone() for name, value in model.state_dict().items()}

    def update(self, model, step):
        keep = min(EMA, (1 + step) / (10 + step))
        for name, value in model.state_dict().items():
            if value.dtype.is_floating_point:
                self.state[name].lerp_(value, 1 - keep)
            else:
                self.state[name].copy_(value)


def validation(folder, dfdc_folds, count):
    """Pairs of calibration persons, with DFDC's fakes only: `[2*count,3,S,S]` bytes and labels."""
    maker = pairs.Maker(pairs.dfdc_faces(folder, dfdc_folds, "calibration"), 1, {pairs.DFDC_FAKES: 1.0})
    crops = [maker.tensors(maker.raw(200))[0] for _ in range(count)]
    return torch.from_numpy(np.concatenate(crops)), np.tile([0, 1], count)


@torch.no_grad()
def auc(model, crops, labels):
    model.eval()
    logits = [model(part.float().div(255).contiguous(memory_format=torch.channels_last))[0] for part in crops.split(32)]
    model.train()
    return roc_auc_score(labels, torch.cat(logits).numpy())


def save(path, **what):
    """Whole or not at all."""
    torch.save(what, path.with_suffix(".tmp"))
    os.replace(path.with_suffix(".tmp"), path)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--faces", type=Path, required=True, help="folder of polytrain.extract")
    parser.add_argument("--folds", type=Path, required=True, help="folds.tsv")
    parser.add_argument("--out", type=Path, required=True, help="folder of the run; started again, it goes on")
    parser.add_argument("--weights", type=Path, help="weights.pt of another run to begin with")
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--minutes", type=float, default=600)
    parser.add_argument("--pairs", type=int, default=24, help="pairs in a batch")
    parser.add_argument("--rate", type=float, default=4e-4)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    args.out.mkdir(parents=True, exist_ok=True)
    dfdc_folds, _ = folds.read(args.folds)
    model = network.FaceForensics().to(memory_format=torch.channels_last)
    if args.weights:
        model.load_state_dict(torch.load(args.weights, weights_only=True)["mean"])
    optimiser = torch.optim.AdamW(model.parameters(), lr=args.rate, weight_decay=0.02)
    mean, step, elapsed, log = Mean(model), 0, 0.0, []
    checkpoint = args.out / "checkpoint.pt"
    if checkpoint.exists():
        kept = torch.load(checkpoint, weights_only=True)
        model.load_state_dict(kept["model"])
        optimiser.load_state_dict(kept["optimiser"])
        mean.state, step, elapsed, log = kept["mean"], kept["step"], kept["elapsed"], kept["log"]
    faces = pairs.training_faces(args.faces, dfdc_folds)
    print({name: len(rows) for name, rows in faces.items()}, flush=True)
    # A run that goes on draws other pairs than it has had.
    batches = pairs.Batches(faces, args.pairs, args.seed + 17 * step)
    loader = iter(torch.utils.data.DataLoader(batches, batch_size=None, num_workers=1, prefetch_factor=6))
    held, labels = validation(args.faces, dfdc_folds, 250)
    model.train()
    began, saved, sums, seen = time.monotonic() - elapsed, time.monotonic(), {}, 0
    done = 0.0
    while done < 1:
        elapsed = time.monotonic() - began
        done = max(step / args.steps, elapsed / 60 / args.minutes)
        for group in optimiser.param_groups:
            group["lr"] = args.rate * min(1, (step + 1) / 100) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(done, 1))))
        crops, targets = next(loader)
        total, parts = loss_of(model, crops.float().div(255), targets)
        optimiser.zero_grad()
        total.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimiser.step()
        step, seen = step + 1, seen + 1
        mean.update(model, step)
        for name, value in parts.items():
            sums[name] = sums.get(name, 0) + value
        if seen == 50:
            line = {name: round(value / seen, 4) for name, value in sums.items()} | {"step": step, "minutes": round(elapsed / 60, 1)}
            print(json.dumps(line), flush=True)
            log.append(line)
            sums, seen = {}, 0
        if time.monotonic() - saved > CHECKPOINT_SECONDS or done >= 1:
            kept = {name: value.clone() for name, value in model.state_dict().items()}
            model.load_state_dict(mean.state)
            value = auc(model, held, labels)
            model.load_state_dict(kept)
            print(json.dumps({"step": step, "calibration_dfdc_auc": round(value, 4)}), flush=True)
            log.append({"step": step, "calibration_dfdc_auc": value})
            save(checkpoint, model=model.state_dict(), optimiser=optimiser.state_dict(), mean=mean.state, step=step, elapsed=elapsed, log=log)
            saved = time.monotonic()
    save(args.out / "weights.pt", mean=mean.state)
    settings = {key: str(value) for key, value in vars(args).items() if key not in ("faces", "folds", "out", "weights")}
    (args.out / "metrics.json").write_text(json.dumps({"settings": settings, "steps": step, "minutes": elapsed / 60, "log": log}, indent=1))


if __name__ == "__main__":
    main()
