# SPDX-License-Identifier: Apache-2.0
"""Writes the recogniser, or its twin, as ONNX; measures that pieces of a stream get the answers of the whole, and at what
cost; and writes what the product's code is held against."""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn

from ..lips.export import session
from .heard import Ears, Encoder
from .network import LEAD, MARGIN, ROWS, STATE, Core, Front, Sound, Whole

STEPS = 30
NAMES = ["mouths", "mouth_mask", "sound", "heard", "sound_mask", "state"]
AXES = {name: {1: axis} for name, axis in zip(NAMES, ("mouths", "mouths", "steps", "steps", "steps"))} | {"log_probs": {1: "steps"}}


class OnlySound(nn.Module):
    """The twin under the same contract: mouths go in and count for nothing."""

    def __init__(self, core):
        super().__init__()
        self.core = core

    def forward(self, mouths, mouth_mask, sound, heard, sound_mask, state):
        """See `network`."""
        # Looked at, so that the graph has all inputs.
        nothing = mouths[:, MARGIN:-MARGIN, 0, 0, 0] * 0 + mouth_mask[:, MARGIN:-MARGIN] * 0
        return self.core(nothing, nothing, sound, heard, sound_mask, state)


def load(weights, sound_only):
    kept = torch.load(weights, weights_only=True)
    front, core = Front(), Core(blind=sound_only)
    front.load_state_dict(kept["front"])
    core.load_state_dict(kept["core"])
    return (OnlySound(core) if sound_only else Whole(front, core)).eval()


def example(steps=STEPS, seed=1):
    rng = np.random.default_rng(seed)
    clock = np.arange(LEAD + steps * 640)
    wave = 0.2 * np.sin(2 * np.pi * (200 + clock / 200) * clock / 16000) * (np.sin(clock / 3000) > 0) + 0.003 * rng.normal(0, 1, len(clock))
    wave = (np.round(wave * 32767) / 32768).astype(np.float32)
    y, x = np.mgrid[0:48, 0:48]
    mouths = np.stack([np.round(120 + 80 * np.sin((x + 2 * n) / 7.0) * np.cos(y / (5.0 + n % 4))) for n in range(steps + 2 * MARGIN)])
    mask = np.ones(steps + 2 * MARGIN, np.float32)
    mask[7:9] = 0
    return wave, mouths.astype(np.float32), mask


def tensors(encoder, wave, mouths, mask):
    """In the order of `NAMES`."""
    with torch.no_grad():
        sound, heard = Ears(Sound(), encoder)(torch.from_numpy(wave)[None])
    return torch.from_numpy(mouths)[None, :, None], torch.from_numpy(mask)[None], sound, heard, torch.ones(1, sound.shape[1]), torch.zeros(ROWS, 1, STATE)


def part(given, first, count):
    """Some steps of the tensors, without the state."""
    seen, steps = slice(first, first + count + 2 * MARGIN), slice(first, first + count)
    return [tensor[:, seen] for tensor in given[:2]] + [tensor[:, steps] for tensor in given[2:5]]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--encoder", type=Path, required=True, help="Moonshine's encoder, as `polygraph models fetch` keeps it")
    parser.add_argument("--out", type=Path, required=True, help="the ONNX file")
    parser.add_argument("--sound-only", action="store_true")
    parser.add_argument("--fixture", type=Path, help="JSON for models/tests/reading_of_training.rs")
    args = parser.parse_args()
    args.out.parent.mkdir(parents=True, exist_ok=True)
    net, (wave, mouths, mask) = load(args.weights, args.sound_only), example()
    whole = tensors(Encoder(args.encoder), wave, mouths, mask)
    torch.onnx.export(net, whole, str(args.out), input_names=NAMES, output_names=["log_probs", "state_out"], opset_version=17, dynamo=False, dynamic_axes=AXES)
    with torch.no_grad():
        wanted = net(*whole)[0].numpy()
    runs = session(args.out)
    state, pieces = whole[5].numpy(), []
    for at in range(0, STEPS, 6):
        got, state = runs.run(None, dict(zip(NAMES, [tensor.numpy() for tensor in part(whole, at, 6)] + [state])))
        pieces.append(got)
    worst = float(np.abs(np.concatenate(pieces, 1) - wanted).max())
    assert worst < 1e-3, f"pieces differ from the whole by {worst}"
    parameters = sum(value.numel() for value in net.parameters()) + (0 if args.sound_only else net.front.axes.numel())
    feed = dict(zip(NAMES, [tensor.numpy() for tensor in whole]))
    whole_cost = cost_of(runs, feed)
    print(json.dumps({"bytes": args.out.stat().st_size, "parameters": parameters, "worst_difference": worst, "cpu_ms_a_second": whole_cost / (STEPS / 25)}))
    if args.fixture:
        told = {
            "samples": "".join(f"{int(round(value * 32768)) & 0xffff:04x}" for value in wave.tolist()),
            "sound": [round(float(value), 4) for value in whole[2].flatten()[::29]], "sound_step": 29,
            "heard": [round(float(value), 4) for value in whole[3].flatten()[::53]], "heard_step": 53,
            "log_probs": [round(float(value), 4) for value in wanted.flatten()],
        }
        args.fixture.write_text(json.dumps(told, separators=(",", ":")) + "\n")


def cost_of(runs, feed):
    for _ in range(3):
        runs.run(None, feed)
    began = time.process_time()
    for _ in range(20):
        runs.run(None, feed)
    return 1000 * (time.process_time() - began) / 20


if __name__ == "__main__":
    main()
