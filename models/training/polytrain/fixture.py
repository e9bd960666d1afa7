# SPDX-License-Identifier: Apache-2.0
"""Writes what `models/tests/crop.rs` compares the product's crop with: the training's crops of a public-domain portrait.

`portrait.i420` (256x256, BT.601, limited range) and `crops.json` with a place each and the training's tensor as bytes
(hexadecimal, rows of RGB), made from the same picture by way of RGB as training does.
"""

import argparse
import json
from pathlib import Path

import cv2
import numpy as np

from . import crop

SIDE = 256
# Box and the two eyes, in pixels of the 256x256 portrait; the rest of the points doesn't matter to the crop.
PLACES = {
    "upright, shrunk": ([40.0, 20.0, 180.0, 180.0], [[95.0, 85.0], [150.0, 85.0]]),
    "upright, grown": ([92.0, 30.0, 50.0, 52.0], [[104.0, 50.0], [126.0, 50.0]]),
    "turned by 20 degrees": ([60.0, 10.0, 120.0, 124.0], [[90.0, 60.0], [131.0, 75.0]]),
    "turned and over the edge": ([-4.0, 3.0, 110.0, 110.0], [[30.0, 60.0], [75.0, 48.0]]),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--portrait", type=Path, required=True, help="astronaut.png, as `./dev setup` fetches it")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    portrait = cv2.imread(str(args.portrait))[:, :, ::-1]
    # The head and shoulders.
    small = cv2.resize(np.ascontiguousarray(portrait[:360, 70:430]), (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    planes = cv2.cvtColor(small, cv2.COLOR_RGB2YUV_I420)
    rgb = cv2.cvtColor(planes, cv2.COLOR_YUV2RGB_I420)
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "portrait.i420").write_bytes(planes.tobytes())
    crops = []
    for name, (box, eyes) in PLACES.items():
        points = np.array([*eyes, [0, 0], [0, 0], [0, 0], [0, 0]])
        pixels = crop.crop(rgb, crop.square(np.array(box), points))
        tensor = np.clip(pixels + 0.5, 0, 255).astype(np.uint8)
        crops.append({"name": name, "box": box, "eyes": eyes, "rgb": tensor.tobytes().hex()})
    (args.out / "crops.json").write_text(json.dumps(crops, indent=0))


if __name__ == "__main__":
    main()
