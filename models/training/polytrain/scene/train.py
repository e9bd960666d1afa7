# SPDX-License-Identifier: Apache-2.0
"""Fine-tunes the network for `--minutes` of CPU time, whatever else the machine does; the rates follow a cosine over that time. Start it again with the same `--out`
and it goes on. There is no choice among steps: the last weights are the result."""

import argparse
import json
import math
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import torch
from torch.nn import functional

from .data import Pictures, augmented, tensor
from .groups import CLASSES, GROUP_OF, INDOOR, NONE, OUTDOOR
from .network import FROZEN, SIDE, Scene, place, sums

BATCH = 32
# Parts of a batch: MiniPlaces' classes, Intel's, pictures that show no scene.
SHARES = (0.85, 0.09, 0.06)
WARM_UP = 0.04


class Draw:
    """Walks through each source in an order of its own, again and again."""

    def __init__(self, labels, rng):
        intel = np.array([name.startswith("intel/") for name in CLASSES])
        none = np.array([name == NONE for name in CLASSES])
        self.rng = rng
        self.sources = [np.flatnonzero(part[labels]) for part in (~intel & ~none, intel, none)]
        self.left = [np.zeros(0, int) for _ in self.sources]

    def batch(self):
        picked = []
        counts = self.rng.multinomial(BATCH, SHARES)
        for source, count in enumerate(counts):
            if len(self.left[source]) < count:
                self.left[source] = np.concatenate([self.left[source], self.rng.permutation(self.sources[source])])
            picked.append(self.left[source][:count])
            self.left[source] = self.left[source][count:]
        return np.concatenate(picked)


def batch_of(data, places, rng, side):
    return tensor([augmented(data[at], rng, side) for at in places])


def drawn(data, draw, rng, side):
    """The next batch: pictures `[N,3,S,S]` and their classes."""
    places = draw.batch()
    return batch_of(data, places, rng, side), torch.from_numpy(data.label[places])


def loss_of(logits, label):
    """Cross entropy over the classes, over the groups, and over indoors and outdoors where a class says which."""
    groups, indoor = torch.from_numpy(GROUP_OF), torch.from_numpy(INDOOR)[label]
    known = indoor | torch.from_numpy(OUTDOOR)[label]
    sides = functional.binary_cross_entropy_with_logits(place(logits)[known], indoor[known].float())
    return functional.cross_entropy(logits, label, label_smoothing=0.05) + 0.5 * functional.nll_loss(sums(logits), groups[label]) + 0.5 * sides


def optimiser_of(model):
    """A new head learns faster than what ImageNet taught."""
    frozen = {id(p) for module in model.frozen() for p in module.parameters()}
    head = list(model.head.parameters())
    known = {id(p) for p in head} | frozen
    body = [p for p in model.parameters() if id(p) not in known]
    for module in model.frozen():
        module.requires_grad_(False)
    return torch.optim.AdamW([{"params": body, "rate": 4e-4}, {"params": head, "rate": 2e-3}], lr=1e-3, weight_decay=0.02)


def save(path, model, optimiser, state):
    temporary = path.with_suffix(".new")
    torch.save({"model": model.state_dict(), "optimiser": optimiser.state_dict(), **state}, temporary)
    temporary.replace(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=70)
    parser.add_argument("--weights", type=Path, help="to begin with, in place of ImageNet's")
    parser.add_argument("--shipped", type=Path, help="the product's file, to begin with in place of ImageNet's weights")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--factor", type=float, default=1.0, help="of the rates")
    parser.add_argument("--side", type=int, default=SIDE, help="pixels of a crop")
    parser.add_argument("--frozen", type=int, default=FROZEN, help="blocks that aren't trained")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    cv2.setNumThreads(1)
    args.out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(args.seed)
    model = Scene(frozen=args.frozen).to(memory_format=torch.channels_last)
    if args.weights:
        model.load_state_dict(torch.load(args.weights, weights_only=True))
    rng = np.random.default_rng([args.seed, 0])
    data = Pictures(args.pictures, "train")
    if args.shipped:
        model.take(args.shipped, batch_of(data, rng.choice(len(data), 256, replace=False), rng, args.side))
    optimiser = optimiser_of(model)
    spent, step, checkpoint = 0.0, 0, args.out / "checkpoint.pt"
    if checkpoint.exists():
        saved = torch.load(checkpoint, weights_only=True)
        model.load_state_dict(saved["model"])
        # Momenta of parameters that aren't trained any more have no place in it.
        if saved["optimiser"]["param_groups"][0]["params"] == optimiser.state_dict()["param_groups"][0]["params"]:
            optimiser.load_state_dict(saved["optimiser"])
        spent, step = saved["spent"], saved["step"]
        rng = np.random.default_rng([args.seed, step])
    draw = Draw(data.label, rng)
    model.train()
    mark, saved_at, sum_loss, hits = time.process_time(), time.monotonic(), 0.0, 0.0
    log = (args.out / "log.jsonl").open("a")
    ahead = ThreadPoolExecutor(1)
    coming = ahead.submit(drawn, data, draw, rng, args.side)
    while spent < args.minutes * 60:
        part = spent / (args.minutes * 60)
        scale = part / WARM_UP if part < WARM_UP else 0.5 + 0.5 * math.cos(math.pi * (part - WARM_UP) / (1 - WARM_UP))
        for group in optimiser.param_groups:
            group["lr"] = group["rate"] * args.factor * max(scale, 1e-3)
        pictures, label = coming.result()
        coming = ahead.submit(drawn, data, draw, rng, args.side)
        logits = model.head(model.dropout(model.embedding(pictures)))
        loss = loss_of(logits, label)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        step += 1
        now = time.process_time()
        spent, mark = spent + now - mark, now
        sum_loss += loss.item()
        hits += (torch.from_numpy(GROUP_OF)[logits.argmax(1)] == torch.from_numpy(GROUP_OF)[label]).float().mean().item()
        if step % 100 == 0:
            told = {"step": step, "minutes": round(spent / 60, 2), "loss": round(sum_loss / 100, 4), "group_hits": round(hits / 100, 4)}
            print(json.dumps(told), file=log, flush=True)
            sum_loss = hits = 0.0
        if time.monotonic() - saved_at > 600:
            save(checkpoint, model, optimiser, {"spent": spent, "step": step})
            saved_at = time.monotonic()
    save(checkpoint, model, optimiser, {"spent": spent, "step": step})
    torch.save(model.state_dict(), args.out / "weights.pt")
    print(json.dumps({"steps": step, "minutes": round(spent / 60, 2), "pictures": step * BATCH}))


if __name__ == "__main__":
    main()
