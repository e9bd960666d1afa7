# SPDX-License-Identifier: Apache-2.0
"""Shows that a large recogniser fits the contract of `speech-reading`: one of the class of Auto-AVSR (Ma et al., ICASSP 2023):
a 3D convolution and a ResNet-18 for mouths, conformers for lips and sound, both joined, CTC over pieces of words.

RANDOM WEIGHTS: the public ones can't be had here. What is exported and checked is that tensors go in and come out as the card
says; nothing is recognised. A network like it has no state: it is given a window of some seconds again and again, hence its
`state` is one number that goes through.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from ..lips.export import session
from .export import AXES, NAMES, STEPS, example, part, tensors
from .heard import Encoder
from .network import MARGIN, SOUND


class Block(nn.Module):
    """Of a ResNet-18."""

    def __init__(self, inner, outer, stride):
        super().__init__()
        self.way = nn.Sequential(
            nn.Conv2d(inner, outer, 3, stride, 1, bias=False), nn.BatchNorm2d(outer), nn.PReLU(outer),
            nn.Conv2d(outer, outer, 3, 1, 1, bias=False), nn.BatchNorm2d(outer),
        )
        self.past = nn.Identity() if inner == outer else nn.Sequential(nn.Conv2d(inner, outer, 1, stride, bias=False), nn.BatchNorm2d(outer))
        self.end = nn.PReLU(outer)

    def forward(self, x):
        return self.end(self.way(x) + self.past(x))


class Conformer(nn.Module):
    """One layer (Gulati et al., 2020)."""

    def __init__(self, size, heads):
        super().__init__()
        self.heads = heads
        self.before, self.behind = (nn.Sequential(nn.LayerNorm(size), nn.Linear(size, 4 * size), nn.SiLU(), nn.Linear(4 * size, size)) for _ in range(2))
        self.norm, self.qkv, self.out = nn.LayerNorm(size), nn.Linear(size, 3 * size), nn.Linear(size, size)
        self.in_norm, self.gate = nn.LayerNorm(size), nn.Conv1d(size, 2 * size, 1)
        self.depth, self.depth_norm, self.point = nn.Conv1d(size, size, 31, padding=15, groups=size), nn.BatchNorm1d(size), nn.Conv1d(size, size, 1)
        self.last = nn.LayerNorm(size)

    def forward(self, x):
        x = x + 0.5 * self.before(x)
        batch, count, size = x.shape
        q, k, v = self.qkv(self.norm(x)).view(batch, count, 3, self.heads, size // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
        x = x + self.out(((q @ k.transpose(2, 3)) / (size // self.heads) ** 0.5).softmax(-1).matmul(v).transpose(1, 2).reshape(batch, count, size))
        y = functional.glu(self.gate(self.in_norm(x).transpose(1, 2)), 1)
        x = x + self.point(functional.silu(self.depth_norm(self.depth(y)))).transpose(1, 2)
        return self.last(x + 0.5 * self.behind(x))


class Large(nn.Module):
    """The recogniser under the contract of `speech-reading`."""

    def __init__(self, size, layers, classes):
        super().__init__()
        # Without padding in time: the contract brings two mouths more on both sides.
        self.stem = nn.Sequential(nn.Conv3d(1, 64, (5, 7, 7), (1, 2, 2), (0, 3, 3), bias=False), nn.BatchNorm3d(64), nn.PReLU(64), nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1)))
        widths = ((64, 64, 1), (64, 64, 1), (64, 128, 2), (128, 128, 1), (128, 256, 2), (256, 256, 1), (256, 512, 2), (512, 512, 1))
        self.trunk = nn.Sequential(*(Block(*width) for width in widths))
        self.lips, self.sound = nn.Linear(512, size), nn.Linear(SOUND, size)
        self.lip_layers, self.sound_layers = (nn.Sequential(*(Conformer(size, size // 64) for _ in range(layers))) for _ in range(2))
        self.join = nn.Sequential(nn.Linear(2 * size, 4 * size), nn.ReLU(), nn.Linear(4 * size, size))
        self.out = nn.Linear(size, classes)

    def forward(self, mouths, mouth_mask, sound, heard, sound_mask, state):
        batch, seen = mouths.shape[:2]
        # It was made for mouths of 88 pixels.
        pixels = functional.interpolate(mouths.flatten(0, 1) / 255, size=(88, 88), mode="bilinear", align_corners=False).view(batch, 1, seen, 88, 88)
        # It has ears of its own; looked at, so that the graph has all inputs.
        sound = sound + 0 * heard.mean(2, keepdim=True)
        looks = self.stem(pixels * mouth_mask[:, None, :, None, None])
        count = seen - 2 * MARGIN
        looks = self.trunk(looks.transpose(1, 2).flatten(0, 1)).mean((2, 3)).view(batch, count, 512)
        lips = self.lip_layers(self.lips(looks)) * mouth_mask[:, MARGIN:-MARGIN, None]
        heard = self.sound_layers(self.sound(sound / 4)) * sound_mask[:, :, None]
        return functional.log_softmax(self.out(self.join(torch.cat([lips, heard], 2))), 2), state * 1.0


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=768)
    parser.add_argument("--layers", type=int, default=12)
    parser.add_argument("--classes", type=int, default=5049)
    parser.add_argument("--encoder", type=Path, required=True, help="Moonshine's encoder, as `polygraph models fetch` keeps it")
    parser.add_argument("--out", type=Path, required=True, help="the ONNX file")
    args = parser.parse_args()
    torch.manual_seed(1)
    net = Large(args.size, args.layers, args.classes).eval()
    given = (*tensors(Encoder(args.encoder), *example())[:5], torch.zeros(1, 1, 1))
    torch.onnx.export(net, given, str(args.out), input_names=NAMES, output_names=["log_probs", "state_out"], opset_version=17, dynamo=False, dynamic_axes=AXES)
    runs = session(args.out)
    with torch.no_grad():
        wanted = net(*given)[0].numpy()
    for count in (STEPS, 11):
        feed = [*part(given, 0, count), given[5]]
        got, state = runs.run(None, dict(zip(NAMES, [tensor.numpy() for tensor in feed])))
        assert got.shape == (1, count, args.classes) and state.shape == (1, 1, 1)
        assert np.allclose(np.exp(got).sum(2), 1, atol=1e-3)
    worst = float(np.abs(runs.run(None, dict(zip(NAMES, [tensor.numpy() for tensor in given])))[0] - wanted).max())
    assert worst < 1e-2, f"ONNX Runtime differs by {worst}"
    print(f"{sum(p.numel() for p in net.parameters())} parameters, random: the contract holds, the worst difference is {worst:.1e}")


if __name__ == "__main__":
    main()
