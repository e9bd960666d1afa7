# SPDX-License-Identifier: Apache-2.0
"""Writes the trained network as ONNX (fp32: int8 gains nothing at this size) and holds it against the weights."""

import argparse
import hashlib
from pathlib import Path

import numpy as np
import onnxruntime
import torch

from .network import CELLS, FEATURES, Voice


def export(model, path):
    model.eval()
    given = (torch.randn(1, 80, FEATURES), torch.randn(1, 200, CELLS) - 4)
    torch.onnx.export(
        model, given, str(path), input_names=["features", "bands"], output_names=["logit"], opset_version=17, dynamo=False,
        dynamic_axes={"features": {0: "batch", 1: "steps"}, "bands": {0: "batch", 1: "rows"}, "logit": {0: "batch"}},
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    model = Voice()
    model.load_state_dict(torch.load(args.weights, weights_only=True))
    export(model, args.out)
    session = onnxruntime.InferenceSession(str(args.out), providers=["CPUExecutionProvider"])
    for steps, rows in ((40, 101), (83, 201), (165, 401)):
        features, bands = np.random.randn(1, steps, FEATURES).astype(np.float32), np.random.randn(1, rows, CELLS).astype(np.float32)
        got = session.run(None, {"features": features, "bands": bands})[0]
        with torch.no_grad():
            wanted = model(torch.from_numpy(features), torch.from_numpy(bands)).numpy()
        assert np.allclose(got, wanted, atol=1e-3), (got, wanted)
    data = args.out.read_bytes()
    print(args.out, len(data), hashlib.sha256(data).hexdigest())


if __name__ == "__main__":
    main()
