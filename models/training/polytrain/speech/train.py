# SPDX-License-Identifier: Apache-2.0
"""Trains the recogniser, or its twin that only hears: one command, seeded, resumable, a checkpoint every ten minutes.

Stop rule, stated before the start: `--steps` steps, the rate falling along a cosine of them; the last exponential mean of the
weights is what ships. `--senses eyes` trains the front end too, from pixels; `--front` takes it over.
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
from .heard import PROVISIONAL, Ears, Encoder
from .network import DEEP, DELAY, LINEAR, MARGIN, ROWS, STATE, Core, Front, Sound

EMA = 0.995
CHECKPOINT_SECONDS = 600


def front_end(lips_weights, clips):
    """The trunk of the sync network, and axes of the training clips' mouths."""
    front = Front().eval()
    front.trunk.to(memory_format=torch.channels_last)
    mean = torch.load(lips_weights, weights_only=True)["mean"]
    front.trunk.load_state_dict({name.removeprefix("mouth.trunk."): value for name, value in mean.items() if name.startswith("mouth.trunk.")})
    pixels = torch.from_numpy(np.concatenate([clip.mouths[clip.seen > 0][::5] for clip in clips])).float()
    pixels = front.normal(pixels).flatten(1)
    front.mean = pixels.mean(0)
    _, vectors = torch.linalg.eigh((pixels - front.mean).T @ (pixels - front.mean))
    front.axes = vectors.flip(1)[:, :LINEAR].T.contiguous() / 8
    return front


def looked(front, pixels, mask):
    """`[B,T,48*48]` -> `[B,T,256]`; the trunk learns."""
    mouths = functional.pad(pixels, (0, 0, MARGIN, MARGIN)).unflatten(2, (1, 48, 48))
    return front(mouths, functional.pad(mask, (MARGIN, MARGIN)))


def partials(count):
    """Where partials end in a quarter of the batches, in steps: what a stream has heard by then, it has heard with less behind it."""
    if torch.rand(()) > 0.25:
        return ()
    every = int(torch.randint(6, 16, ()))
    return range(int(torch.randint(PROVISIONAL + 1, PROVISIONAL + 1 + every, ())), count, every)


def loss_of(core, ears, batch, frames, front=None):
    """CTC of the words, and cross entropy of the frames' labels, which keeps words where they are said. With `front`,
    lips are pixels."""
    lips, lip_mask, waves, sound_mask, labels, lengths, targets = batch
    if front is not None:
        lips = looked(front, lips, lip_mask)
    with torch.no_grad():
        sound, heard = ears(waves, sound_mask.any(1), partials(lips.shape[1]))
        # Bands that a room or a codec swallows.
        for row in sound:
            if torch.rand(()) < 0.3:
                band, width = torch.randint(0, 36, ()), torch.randint(2, 9, ())
                row.view(-1, 4, 40)[:, :, band : band + width] = -8
    log_probs, _ = core(lips, lip_mask, sound, heard, sound_mask, torch.zeros(ROWS, len(lips), STATE))
    said = log_probs[:, DELAY:]
    flat = torch.tensor([word for target in targets for word in target])
    ctc = functional.ctc_loss(said.transpose(0, 1), flat, lengths, torch.tensor([len(t) for t in targets]), zero_infinity=True)
    frame = functional.nll_loss(said.transpose(1, 2), labels, ignore_index=-100)
    return ctc + frames * frame, {"ctc": ctc.item(), "frame": frame.item()}


def rate_at(args, step):
    """Of the step: up along a line, down along a cosine."""
    return args.rate * min(1, (step + 1) / 100) * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * step / args.steps)))


class Run:
    """What is trained, its running means and its checkpoint."""

    def __init__(self, args, core, front):
        self.args, self.nets = args, torch.nn.ModuleDict({"core": core, "front": front})
        learns = list(core.parameters()) + (list(front.parameters()) if args.senses == "eyes" else [])
        self.optimiser = torch.optim.AdamW(learns, lr=args.rate, weight_decay=0.02)
        self.step, self.elapsed, self.log = 0, 0.0, []
        self.mean = {name: value.clone() for name, value in self.nets.state_dict().items()}
        self.path = args.out / "checkpoint.pt"
        if self.path.exists():
            saved = torch.load(self.path, weights_only=False)
            self.nets.load_state_dict(saved["nets"])
            self.optimiser.load_state_dict(saved["optimiser"])
            self.mean, self.step, self.elapsed, self.log = saved["mean"], saved["step"], saved["elapsed"], saved["log"]

    def update(self, total):
        self.optimiser.zero_grad()
        total.backward()
        nn.utils.clip_grad_norm_([value for group in self.optimiser.param_groups for value in group["params"]], 5.0)
        self.optimiser.step()
        self.step += 1
        keep = min(EMA, (1 + self.step) / (10 + self.step))
        for name, value in self.nets.state_dict().items():
            (self.mean[name].lerp_(value, 1 - keep) if value.is_floating_point() else self.mean[name].copy_(value))

    def shown(self):
        """The mean's core and front."""
        core, front = Core(blind=self.args.senses == "ears"), Front()
        for name, net in (("core.", core), ("front.", front)):
            net.load_state_dict({key.removeprefix(name): value for key, value in self.mean.items() if key.startswith(name)})
        return core.eval(), front.eval()

    def save(self):
        state = {"nets": self.nets.state_dict(), "optimiser": self.optimiser.state_dict(), "mean": self.mean, "step": self.step, "elapsed": self.elapsed, "log": self.log}
        torch.save(state, self.args.out / "checkpoint.tmp")
        os.replace(self.args.out / "checkpoint.tmp", self.path)

    def write(self):
        core, front = self.shown()
        torch.save({"core": core.state_dict(), "front": front.state_dict()}, self.args.out / "weights.pt")
        settings = {key: str(value) for key, value in vars(self.args).items() if key in ("senses", "steps", "batch", "copies", "rate", "seed", "begin")}
        (self.args.out / "metrics.json").write_text(json.dumps({"settings": settings, "steps": self.step, "minutes": self.elapsed / 60, "log": self.log}, indent=1))


def looks_of(args, front, clips, held):
    """Features of all clips, kept in a file; for the eyes' training only those held out, as they are; for the ears none."""
    if args.senses == "ears":
        return ([[torch.zeros(len(clip), DEEP + LINEAR).half()] for clip in some] for some in (clips, held))
    if args.senses == "eyes":
        return None, data.features(front, held, 1, 0)
    cache = args.out / "looks.pt"
    if not cache.exists():
        torch.save((data.features(front, clips, args.copies, args.seed), data.features(front, held, 1, 0)), cache)
    return torch.load(cache, weights_only=True)


def begun(args, clips):
    """The networks as they are before the first step."""
    core, front = Core(blind=args.senses == "ears"), Front() if args.begin or args.front else front_end(args.lips, clips)
    if args.begin or args.front:
        kept = torch.load(args.begin or args.front, weights_only=True)
        front.load_state_dict(kept["front"])
        front.eval()
    if args.begin:
        core.load_state_dict(kept["core"])
    elif args.senses != "ears":
        every = torch.cat([look[0] for look in data.features(front, clips[::4], 1, 0)]).float()
        core.lip_mean, core.lip_spread = every.mean(0), every.std(0) + 0.05
    return core, front


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--senses-of", type=Path, required=True, help="folder of `polygraph senses` over GRID speaker 1, with positions.txt")
    parser.add_argument("--grid", type=Path, required=True, help="folder of the clips' .align files")
    parser.add_argument("--noise", type=Path, nargs="*", default=[], help="folders of speech in WAV, for babble")
    parser.add_argument("--encoder", type=Path, required=True, help="Moonshine's encoder, as `polygraph models fetch` keeps it")
    parser.add_argument("--lips", type=Path, help="weights.pt of the network for lips and sound, whose trunk the front end begins with")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--front", type=Path, help="weights.pt of a run with --senses eyes, whose front end is taken")
    parser.add_argument("--begin", type=Path, help="weights.pt of a run, or of `polytrain.speech.restore`, to go on from")
    parser.add_argument("--senses", choices=("both", "eyes", "ears"), default="both")
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--batch", type=int, default=20)
    parser.add_argument("--copies", type=int, default=8)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    torch.manual_seed(args.seed)
    clips, held = data.grid(args.senses_of, args.grid, TRAIN), data.grid(args.senses_of, args.grid, CALIBRATION)
    core, front = begun(args, clips)
    looks, held_looks = looks_of(args, front, clips, held)
    print(json.dumps({"clips": len(clips), "held": len(held)}), flush=True)
    noise, ears = data.Noise.cached(args.out.parent / "noise.npz", clips, args.noise), Ears(Sound(), Encoder(args.encoder))
    run = Run(args, core, front)
    pixels = front if args.senses == "eyes" else None
    batches = iter(data.Batches(clips, looks, noise, args.batch, args.seed + run.step, args.senses))
    last, sums, seen = time.monotonic(), {}, 0
    saved = last
    while run.step < args.steps:
        for group in run.optimiser.param_groups:
            group["lr"] = rate_at(args, run.step)
        core.train()
        front.train(pixels is not None)
        total, parts = loss_of(core, ears, next(batches), 3 * (1 - run.step / args.steps) + 0.5, pixels)
        run.update(total)
        now = time.monotonic()
        run.elapsed, last = run.elapsed + now - last, now
        sums, seen = {name: sums.get(name, 0) + value for name, value in parts.items()}, seen + 1
        if seen == 25:
            run.log.append({name: round(value / seen, 3) for name, value in sums.items()} | {"step": run.step, "minutes": round(run.elapsed / 60, 1)})
            print(json.dumps(run.log[-1]), flush=True)
            sums, seen = {}, 0
        if now - saved > CHECKPOINT_SECONDS or run.step == args.steps:
            shown, eyes = run.shown()
            run.log.append({"step": run.step} | measure.quick(shown, ears, held, data.features(eyes, held, 1, 0) if pixels else held_looks, noise, args.senses))
            print(json.dumps(run.log[-1]), flush=True)
            run.save()
            saved = last = time.monotonic()
    run.write()


if __name__ == "__main__":
    main()
