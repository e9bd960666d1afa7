# SPDX-License-Identifier: Apache-2.0
"""Between the weights that a training went on from and those that it came to: what lies half way knows people it never met better than
either (Wortsman et al., Robust fine-tuning of zero-shot models, 2022). Batch norms are measured anew on training pieces."""

import argparse
import itertools
from pathlib import Path

import torch
from torch import nn

from . import clips, data, export
from .train import Model

PIECES = 12
"""Batches of 20 pieces that batch norms are measured on."""


def mixed(before, after, share, batches):
    """`share` of `after`, the rest of `before`."""
    model, old, new = Model(), before.state_dict(), after.state_dict()
    model.load_state_dict({name: old[name].lerp(value, share) if value.dtype.is_floating_point else value for name, value in new.items()})
    for module in model.modules():
        if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
            module.reset_running_stats()
            # A plain mean over all batches.
            module.momentum = None
    model.train()
    with torch.no_grad():
        for mouths, sounds in batches:
            model.mouth(mouths), model.sound(sounds)
    return model.eval()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shipped", type=Path, required=True, help="what the training went on from")
    parser.add_argument("--weights", type=Path, required=True, help="what it came to")
    parser.add_argument("--share", type=float, default=0.5, help="of the latter")
    parser.add_argument("--grid", type=Path, required=True)
    parser.add_argument("--talk", type=Path, required=True)
    parser.add_argument("--people", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="a weights.pt")
    args = parser.parse_args()
    torch.manual_seed(1)
    train = clips.grid(args.grid, {0, 1, 2, 4, 5, 6}) + clips.people(args.talk, args.people, "train")
    batches = list(itertools.islice(data.Pieces(train, 20, 1, 0.3), PIECES))
    before = Model()
    before.take(args.shipped, *batches[0])
    args.out.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"mean": mixed(before, export.load(args.weights), args.share, batches).state_dict()}, args.out)


if __name__ == "__main__":
    main()
