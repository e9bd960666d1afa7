# SPDX-License-Identifier: Apache-2.0
"""Writes what `models/tests/scene_of_training.rs` compares the product with: a public-domain portrait in an odd shape, squeezed as training
squeezes pictures, and what PyTorch's network says of it."""

import argparse
import json
from pathlib import Path

import cv2
import numpy as np
import torch

from ..blazeface import session
from .network import Scene
from .pack import squeezed

SIZE = (320, 180)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--portrait", type=Path, required=True, help="astronaut.png, as `./dev setup` fetches it")
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--onnx", type=Path, required=True, help="what the product runs; its embedding is compared")
    parser.add_argument("--seen", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    small = cv2.resize(cv2.imread(str(args.portrait)), SIZE, interpolation=cv2.INTER_AREA)
    planes = cv2.cvtColor(small, cv2.COLOR_BGR2YUV_I420)
    picture = squeezed(cv2.cvtColor(planes, cv2.COLOR_YUV2BGR_I420))[:, :, ::-1]
    tensor = torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)).astype(np.float32) / 255)[None]
    saved = torch.load(args.weights, weights_only=True)
    model = Scene(pretrained=False, seen=args.seen).eval()
    model.load_state_dict(saved.get("model", saved))
    with torch.no_grad():
        groups, indoor, _ = model(tensor)
    embedding = session(args.onnx).run(["embedding"], {"picture": tensor.numpy()})[0]
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "portrait.i420").write_bytes(planes.tobytes())
    (args.out / "squeezed.rgb").write_bytes(np.ascontiguousarray(picture).tobytes())
    answer = {"groups": groups[0].tolist(), "indoor": float(indoor[0]), "embedding": embedding[0].tolist()}
    (args.out / "answer.json").write_text(json.dumps(answer))


if __name__ == "__main__":
    main()
