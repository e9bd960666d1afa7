# SPDX-License-Identifier: Apache-2.0
"""Weights of a shipped recogniser as `weights.pt` of a run, for training to go on from: runs aren't kept, what ships is.

A normalisation that the export folded into a convolution comes back as an offset. What a network has no weights of (it was taught before there was such an
input) keeps what it has at random."""

import argparse
from pathlib import Path

import onnx
import torch
from onnx import numpy_helper

from .network import Core, Front


class Graph:
    """Weights by the names of their nodes."""

    def __init__(self, path):
        graph = onnx.load(path).graph
        self.values = {value.name: torch.from_numpy(numpy_helper.to_array(value).copy()) for value in graph.initializer}
        self.nodes = {node.name: node for node in graph.node}

    def of(self, node):
        """The weights of a node, in their order; None where there is no such node."""
        found = self.nodes.get(node)
        return found and [self.values[name] for name in found.input if name in self.values]


def recurrent(net, weights):
    """ONNX has its gates in the order z, r, h and PyTorch r, z, n."""
    order = lambda values: torch.cat([values.chunk(3)[at] for at in (1, 0, 2)])
    given, back, offsets = (value[0] for value in weights)
    net.weight_ih_l0.data, net.weight_hh_l0.data = order(given), order(back)
    net.bias_ih_l0.data, net.bias_hh_l0.data = (order(half) for half in offsets.chunk(2))


def restored(path, blind=False):
    """(front, core)."""
    graph, front, core = Graph(path), Front(), Core(blind=blind)
    net = torch.nn.ModuleDict({"front": front, "core": core})
    plain = {name: value for name, value in graph.values.items() if name in net.state_dict() and value.shape == net.state_dict()[name].shape}
    net.load_state_dict(plain, strict=False)
    for at in (0, 3, 6, 9):
        if found := graph.of(f"/front/trunk/trunk.{at}/Conv"):
            norm = front.trunk[at + 1]
            front.trunk[at].weight.data, norm.bias.data = found
            norm.weight.data.fill_(1)
            norm.running_mean.fill_(0)
            norm.running_var.fill_(1 - norm.eps)
    for name, layer in (("core/lips/lips.0", core.lips[0]), ("core/out", core.out), ("front/trunk/trunk.13", front.trunk[13]), ("core/sound/sound.0", core.sound[0])):
        if found := graph.of(f"/{name}/MatMul"):
            layer.weight.data[:, : len(found[0])] = found[0].T
    if found := graph.of("/front/MatMul"):
        front.axes = found[0].T.contiguous()
    for name in ("lip_time", "sound_time", "both"):
        if found := graph.of(f"/core/{name}/GRU"):
            recurrent(getattr(core, name), found)
    return front.eval(), core.eval()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--network", type=Path, required=True, help="the ONNX file")
    parser.add_argument("--sound-only", action="store_true")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    front, core = restored(args.network, args.sound_only)
    torch.save({"core": core.state_dict(), "front": front.state_dict()}, args.out)


if __name__ == "__main__":
    main()
