# SPDX-License-Identifier: Apache-2.0
"""Trains both networks: one command, seeded, resumable; a checkpoint every ten minutes.

Stop rule: `--minutes` of training; the learning rate falls along a cosine of it. Nothing is chosen on test clips; the last
weights (an exponential mean) are what ships.
"""

import argparse
import json
import math
import os
import time
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import nn
from torch.nn import functional

from ..norms import renormed
from . import clips, data, measure
from .network import LogMel, MouthNet, SoundNet

EMA = 0.997
REACH = 15
"""Largest offset that is looked at, in steps: 600 ms."""
WINDOW = 25
CHECKPOINT_SECONDS = 600


class Model(nn.Module):
    """Both networks and the sharpness of their likeness."""

    def __init__(self):
        super().__init__()
        self.mouth, self.sound = MouthNet(), SoundNet()
        self.sharp = nn.Parameter(torch.tensor(2.5))

    def take(self, folder, mouths, sounds):
        """Goes on from files of `polytrain.lips.export`, in which batch norms are part of the convolutions. They are taken out again: each
        becomes what makes the networks say the same of `mouths` and `sounds` (shapes as for `loss`)."""
        for net, file, example in ((self.mouth, "lips-mouth.onnx", mouths), (self.sound, "lips-sound.onnx", sounds)):
            graph = onnx.load(str(Path(folder) / file)).graph
            values = {value.name: torch.from_numpy(onnx.numpy_helper.to_array(value).copy()) for value in graph.initializer}
            kept = {name: value for name, value in values.items() if name in net.state_dict()}
            net.load_state_dict(kept, strict=False)
            folded = [[values[name] for name in node.input[1:3]] for node in graph.node if node.op_type == "Conv" and len(node.input) == 3 and node.input[1] not in kept]
            layers = [module for module in net.modules() if not isinstance(module, (nn.Sequential, LogMel, type(net)))]
            joined = [(layer, norm) for layer, norm in zip(layers, layers[1:]) if isinstance(layer, (nn.Conv1d, nn.Conv2d)) and isinstance(norm, (nn.BatchNorm1d, nn.BatchNorm2d))]
            hooks = []
            with torch.no_grad():
                for (weight, bias), (layer, norm) in zip(folded, joined, strict=True):
                    layer.weight.copy_(weight)
                    hooks.append(norm.register_forward_pre_hook(partial(renormed, bias=bias)))
                for layer in layers:
                    if isinstance(layer, nn.Linear):
                        layer.weight.copy_(next(value for value in values.values() if value.dim() == 2 and value.shape == layer.weight.T.shape).T)
                net.eval()(example)
            for hook in hooks:
                hook.remove()

    def loss(self, mouths, sounds):
        """Mouths `[B,T+8,48,48]`, sounds `[B,T*640+3520]`: each mouth has to find its moment among all moments of its
        piece, and each second of mouths its second among all offsets of its own and of the others' sound."""
        seen, heard = self.mouth(mouths), self.sound(sounds)
        batch, count = seen.shape[:2]
        alike = torch.einsum("itd,jsd->ijts", seen, heard)
        own = alike[torch.arange(batch), torch.arange(batch)] * self.sharp.exp()
        moment = functional.cross_entropy(own.flatten(0, 1), torch.arange(count).repeat(batch))
        moment = moment + functional.cross_entropy(own.transpose(1, 2).flatten(0, 1), torch.arange(count).repeat(batch))
        # [i, j, offset, t]: how well the mouths of i at t fit the sound of j at t + offset.
        inner = range(REACH, count - REACH)
        skewed = torch.stack([alike.diagonal(offset, 2, 3)[..., max(0, REACH + min(offset, 0)) :][..., : len(inner)] for offset in range(-REACH, REACH + 1)], 2)
        second = skewed.mean(3) * self.sharp.exp() * 3
        target = torch.arange(batch) * (2 * REACH + 1) + REACH
        window = functional.cross_entropy(second.flatten(1), target)
        right = (second.flatten(1).argmax(1) == target).float().mean()
        return 0.5 * moment + window, {"moment": moment.item() / 2, "window": window.item(), "right": right.item()}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--grid", type=Path, required=True, help="folder of `polygraph senses` over GRID speaker 1, with positions.txt")
    parser.add_argument("--talk", type=Path, help="folder of `polygraph senses` over clips of talking people")
    parser.add_argument("--people", type=Path, help="list of those clips: name, person, fold (tab-separated)")
    parser.add_argument("--out", type=Path, required=True, help="folder of the run; started again, it goes on")
    parser.add_argument("--shipped", type=Path, help="folder of lips-mouth.onnx and lips-sound.onnx to go on from")
    parser.add_argument("--minutes", type=float, default=40)
    parser.add_argument("--batch", type=int, default=20)
    parser.add_argument("--rate", type=float, default=1.5e-3)
    parser.add_argument("--share", type=float, default=0.4, help="of the pieces are of GRID's speaker 1")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    args.out.mkdir(parents=True, exist_ok=True)
    train = clips.grid(args.grid, {0, 1, 2, 4, 5, 6})
    held = clips.grid(args.grid, {9})
    strangers = []
    if args.people:
        train += clips.people(args.talk, args.people, "train")
        strangers = clips.people(args.talk, args.people, "calibrate")
    print(json.dumps({"clips": len(train), "persons": len({clip.person for clip in train}), "minutes": round(sum(map(len, train)) / 1500, 1), "held": len(held), "strangers": len(strangers)}), flush=True)
    model = Model()
    if args.shipped:
        model.take(args.shipped, *next(iter(data.Pieces(train, args.batch, args.seed, args.share))))
    optimiser = torch.optim.AdamW(model.parameters(), lr=args.rate, weight_decay=0.02)
    mean = {name: value.detach().clone() for name, value in model.state_dict().items()}
    step, elapsed, log = 0, 0.0, []
    checkpoint = args.out / "checkpoint.pt"
    if checkpoint.exists():
        kept = torch.load(checkpoint, weights_only=True)
        model.load_state_dict(kept["model"])
        optimiser.load_state_dict(kept["optimiser"])
        mean, step, elapsed, log = kept["mean"], kept["step"], kept["elapsed"], kept["log"]
    batches = iter(data.Pieces(train, args.batch, args.seed + 17 * step, args.share))
    began, saved, sums, seen = time.monotonic() - elapsed, time.monotonic(), {}, 0
    done = elapsed / 60 / args.minutes
    while done < 1:
        elapsed = time.monotonic() - began
        done = elapsed / 60 / args.minutes
        for group in optimiser.param_groups:
            group["lr"] = args.rate * min(1, (step + 1) / 100) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(done, 1))))
        model.train()
        total, parts = model.loss(*next(batches))
        optimiser.zero_grad()
        total.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimiser.step()
        step, seen = step + 1, seen + 1
        keep = min(EMA, (1 + step) / (10 + step))
        for name, value in model.state_dict().items():
            if value.dtype.is_floating_point:
                mean[name].lerp_(value, 1 - keep)
            else:
                mean[name].copy_(value)
        sums = {name: sums.get(name, 0) + value for name, value in parts.items()}
        if seen == 25:
            line = {name: round(value / seen, 3) for name, value in sums.items()} | {"step": step, "minutes": round(elapsed / 60, 1)}
            print(json.dumps(line), flush=True)
            log.append(line)
            sums, seen = {}, 0
        if time.monotonic() - saved > CHECKPOINT_SECONDS or done >= 1:
            shown = Model()
            shown.load_state_dict(mean)
            shown.eval()
            line = {"step": step} | {name: measure.quick(shown, part) for name, part in (("held", held), ("strangers", strangers)) if part}
            print(json.dumps(line), flush=True)
            log.append(line)
            torch.save({"model": model.state_dict(), "optimiser": optimiser.state_dict(), "mean": mean, "step": step, "elapsed": elapsed, "log": log}, args.out / "checkpoint.tmp")
            os.replace(args.out / "checkpoint.tmp", checkpoint)
            saved = time.monotonic()
    torch.save({"mean": mean}, args.out / "weights.pt")
    settings = {key: str(value) for key, value in vars(args).items() if key not in ("grid", "talk", "people", "out", "shipped")}
    (args.out / "metrics.json").write_text(json.dumps({"settings": settings, "steps": step, "minutes": elapsed / 60, "log": log}, indent=1))


if __name__ == "__main__":
    main()
