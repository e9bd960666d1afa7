# SPDX-License-Identifier: Apache-2.0
"""Trains the recogniser, or its twin that only hears: one command, seeded, resumable, a checkpoint every ten minutes.

Stop rule, stated before the start: `--steps` steps, the rate falling along a cosine of them; the last exponential mean of the
weights is what ships. Position 9 is looked at, and had a say when the run of 2026-11-26 was lengthened (README).
"""

import argparse
import json
import math
import os
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from ..grid import CALIBRATION, TRAIN
from . import data, measure
from .network import DEEP, DELAY, LINEAR, STATE, Core, Front, Sound

EMA = 0.995
CHECKPOINT_SECONDS = 600


def front_end(lips_weights, clips):
    """The trunk of the sync network, and axes of the training clips' mouths."""
    front = Front().eval()
    mean = torch.load(lips_weights, weights_only=True)["mean"]
    front.trunk.load_state_dict({name.removeprefix("mouth.trunk."): value for name, value in mean.items() if name.startswith("mouth.trunk.")})
    pixels = torch.from_numpy(np.concatenate([clip.mouths[clip.seen > 0][::5] for clip in clips])).float()
    pixels = front.normal(pixels).flatten(1)
    front.mean = pixels.mean(0)
    _, vectors = torch.linalg.eigh((pixels - front.mean).T @ (pixels - front.mean))
    front.axes = vectors.flip(1)[:, :LINEAR].T.contiguous() / 8
    return front


def loss_of(core, sound, batch, frames):
    """CTC of the words, and cross entropy of the frames' labels, which keeps words where they are said."""
    lips, lip_mask, waves, sound_mask, labels, lengths, targets = batch
    with torch.no_grad():
        heard = sound(waves)
        # Bands that a room or a codec swallows.
        for row in heard:
            if torch.rand(()) < 0.3:
                band, width = torch.randint(0, 36, ()), torch.randint(2, 9, ())
                row.view(-1, 4, 40)[:, :, band : band + width] = -8
    log_probs, _ = core(lips, lip_mask, heard, sound_mask, torch.zeros(3, len(lips), STATE))
    said = log_probs[:, DELAY:]
    flat = torch.tensor([word for target in targets for word in target])
    ctc = functional.ctc_loss(said.transpose(0, 1), flat, lengths, torch.tensor([len(t) for t in targets]), zero_infinity=True)
    frame = functional.nll_loss(said.transpose(1, 2), labels, ignore_index=-100)
    return ctc + frames * frame, {"ctc": ctc.item(), "frame": frame.item()}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--senses", type=Path, required=True, help="folder of `polygraph senses` over GRID speaker 1, with positions.txt")
    parser.add_argument("--grid", type=Path, required=True, help="folder of the clips' .align files")
    parser.add_argument("--noise", type=Path, nargs="*", default=[], help="folders of speech in WAV, for babble")
    parser.add_argument("--lips", type=Path, required=True, help="weights.pt of the network for lips and sound")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--sound-only", action="store_true")
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--batch", type=int, default=20)
    parser.add_argument("--copies", type=int, default=8)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    torch.manual_seed(args.seed)
    clips, held = data.grid(args.senses, args.grid, TRAIN), data.grid(args.senses, args.grid, CALIBRATION)
    front = front_end(args.lips, clips)
    cache = args.out / "looks.pt"
    if args.sound_only:
        looks, held_looks = ([[torch.zeros(len(clip), DEEP + LINEAR).half()] for clip in some] for some in (clips, held))
    elif cache.exists():
        looks, held_looks = torch.load(cache, weights_only=True)
    else:
        looks, held_looks = data.features(front, clips, args.copies, args.seed), data.features(front, held, 1, 0)
        torch.save((looks, held_looks), cache)
    print(json.dumps({"clips": len(clips), "held": len(held)}), flush=True)
    noise = data.Noise.cached(args.out.parent / "noise.npz", clips, args.noise)
    core, sound = Core(blind=args.sound_only), Sound()
    every = torch.cat([look[0] for look in looks]).float()
    core.lip_mean, core.lip_spread = every.mean(0), every.std(0) + 0.05
    optimiser = torch.optim.AdamW(core.parameters(), lr=args.rate, weight_decay=0.02)
    step, elapsed, log = 0, 0.0, []
    mean = {name: value.clone() for name, value in core.state_dict().items()}
    checkpoint = args.out / "checkpoint.pt"
    if checkpoint.exists():
        saved = torch.load(checkpoint, weights_only=False)
        core.load_state_dict(saved["core"])
        optimiser.load_state_dict(saved["optimiser"])
        mean, step, elapsed, log = saved["mean"], saved["step"], saved["elapsed"], saved["log"]
    batches = iter(data.Batches(clips, looks, noise, args.batch, args.seed + step, args.sound_only))
    began = last = time.monotonic()
    sums, seen = {}, 0
    while step < args.steps:
        done = step / args.steps
        for group in optimiser.param_groups:
            group["lr"] = args.rate * min(1, (step + 1) / 100) * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * done)))
        core.train()
        total, parts = loss_of(core, sound, next(batches), 3 * (1 - done) + 0.5)
        optimiser.zero_grad()
        total.backward()
        nn.utils.clip_grad_norm_(core.parameters(), 5.0)
        optimiser.step()
        step, seen = step + 1, seen + 1
        keep = min(EMA, (1 + step) / (10 + step))
        for name, value in core.state_dict().items():
            mean[name].lerp_(value, 1 - keep)
        sums = {name: sums.get(name, 0) + value for name, value in parts.items()}
        if seen == 25:
            log.append({name: round(value / seen, 3) for name, value in sums.items()} | {"step": step, "minutes": round((elapsed + time.monotonic() - began) / 60, 1)})
            print(json.dumps(log[-1]), flush=True)
            sums, seen = {}, 0
        if time.monotonic() - last > CHECKPOINT_SECONDS or step == args.steps:
            shown = Core(blind=args.sound_only)
            shown.load_state_dict(mean)
            log.append({"step": step} | measure.quick(shown.eval(), sound, held, held_looks, noise, args.sound_only))
            print(json.dumps(log[-1]), flush=True)
            last = time.monotonic()
            state = {"core": core.state_dict(), "optimiser": optimiser.state_dict(), "mean": mean, "step": step, "elapsed": elapsed + last - began, "log": log}
            torch.save(state, args.out / "checkpoint.tmp")
            os.replace(args.out / "checkpoint.tmp", checkpoint)
    torch.save({"core": mean, "front": front.state_dict()}, args.out / "weights.pt")
    settings = {key: str(value) for key, value in vars(args).items() if key in ("sound_only", "steps", "batch", "copies", "rate", "seed")}
    (args.out / "metrics.json").write_text(json.dumps({"settings": settings, "steps": step, "minutes": (elapsed + time.monotonic() - began) / 60, "log": log}, indent=1))


if __name__ == "__main__":
    main()
